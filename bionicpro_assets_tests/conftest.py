"""For all tests: no setting of the machine they run on reaches them."""

import os

import pytest
from hypothesis import settings

# A machine that is busy makes an example slow, and no example wrong. With CI set, the same examples every time: a
# change is not held up by what another one's luck would have found; at a desk, new ones every time.
settings.register_profile("desk", deadline=None)
settings.register_profile("ci", parent=settings.get_profile("desk"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")

# Python's readline puts a terminal's size into the environment of what pytest-xdist starts, and a command prints by it.
for size in ("COLUMNS", "LINES"):
    os.environ.pop(size, None)


@pytest.fixture(autouse=True)
def same_umask():
    """What a command changes of this process doesn't reach the next test."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path):
    """No settings in the environment, and no .env in the working directory."""
    for name in list(os.environ):
        if name.startswith(("BIONICPRO_", "ETL_", "DAGSTER_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
