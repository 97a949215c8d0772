"""The package as others install it: the built wheel in an environment of its own runs the main job."""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

from bionicpro_assets_tests.e2e.documents import ROOT
from bionicpro_assets_tests.e2e.upping import environment
from bionicpro_assets_tests.folders import folder_for_postgres


def run(folder: Path, *command: str | Path) -> str:
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_built_wheel_runs_the_main_job_where_there_is_no_repository(tmp_path):
    run(ROOT, sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    run(tmp_path, sys.executable, "-m", "venv", "--without-pip", "its")
    python = tmp_path / "its/bin/python"
    run(
        tmp_path,
        Path(sys.executable).parent / "uv",
        "pip",
        "install",
        "--offline",
        "--no-deps",
        "--python",
        python,
        wheel,
    )
    (packages,) = tmp_path.glob("its/lib/python*/site-packages")
    # What it depends on is taken from here: a .pth of this folder, like that of the repository's package, isn't read there.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    with folder_for_postgres() as folder:
        bionicpro = tmp_path / "its/bin/bionicpro"
        where = run(folder, python, "-P", "-c", "import bionicpro_assets; print(bionicpro_assets.__file__)")
        assert Path(where.strip()).is_relative_to(packages)
        run(folder, bionicpro, "demo", "--prostheses", "5", "--hours", "3", "--days", "0")
        count = "SELECT count() AS n, uniqExact(report_date, report_hour) AS hours FROM reports.user_prosthesis_stats"
        found = json.loads(run(folder, bionicpro, "query", count, "--json"))
        assert found["hours"] >= 3
        assert found["n"] >= found["hours"]
