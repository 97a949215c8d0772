"""A short run of chaos; `make chaos SECONDS=…` runs longer ones."""

from bionicpro_assets_tests.chaos.run import run
from bionicpro_assets_tests.folders import folder_for_postgres


def test_a_few_rounds():
    with folder_for_postgres() as folder:
        said = run(folder, seed=1, seconds=3600, rounds=3, readers=1, every_step=False)
    assert "0 differences" in said
    assert "0 torn" in said
    assert "3 rounds" in said
