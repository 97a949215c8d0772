"""How long a newcomer waits, from nothing to a first report: clone, demo, UI, first backfill, first report.

    python -m bionicpro_assets_tests.e2e.newcomers_path

Clones this repository into a new folder, gives there the commands that the README gives, and prints what each took.
Packages come from wherever pip is set up to take them.
"""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bionicpro_assets_tests.e2e.documents import ROOT
from bionicpro_assets_tests.e2e.upping import environment, free_port, running_up, until
from bionicpro_assets_tests.folders import folder_for_postgres

NEWEST = """{ assetNodeOrError(assetKey: {path: ["reports", "user_prosthesis_stats"]}) { ... on AssetNode {
    assetMaterializations(limit: 50) { partition } } } }"""
BACKFILL = """mutation { launchPartitionBackfill(backfillParams: {
    assetSelection: [{path: ["telemetry", "hourly_stats"]}, {path: ["staging", "crm_customer_prosthesis"]},
        {path: ["staging", "hourly_telemetry"]}, {path: ["reports", "user_prosthesis_stats"]},
        {path: ["quarantine", "rejected_telemetry"]}], partitionNames: [%s]}) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
STATUS = '{ partitionBackfillOrError(backfillId: "%s") { ... on PartitionBackfill { status } } }'
HOURS = 12


def main() -> None:
    """Go the path, and print it."""
    took: dict[str, float] = {}

    @contextmanager
    def step(words: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        took[words] = time.monotonic() - began
        print(f"{took[words]:6.0f} s  {words}", flush=True)  # noqa: T201 - what it is for

    with folder_for_postgres() as folder:
        home = folder / "bionicpro"
        with step("git clone"):
            run(folder, "git", "clone", "--quiet", str(ROOT), str(home))
        with step("make demo: the environment, two databases, a fleet, its last day loaded and shown"):
            run(home, "make", "demo")
        began = time.monotonic()
        with running_up(home, free_port(), home / ".venv" / "bin" / "bionicpro") as up:
            took["up"] = time.monotonic() - began
            print(f"{took['up']:6.0f} s  bionicpro up, until the UI answers", flush=True)  # noqa: T201
            with step(f"a backfill of {HOURS} hours in the UI, until it is green"):
                hours = sorted({m["partition"] for m in up.graphql(NEWEST)["assetMaterializations"]})[:HOURS]
                names = ", ".join(f'"{hour}"' for hour in hours)
                made: dict[str, Any] = up.graphql(BACKFILL % names)
                assert made["__typename"] == "LaunchBackfillSuccess", made
                until(
                    "the backfill is done",
                    600,
                    lambda: up.graphql(STATUS % made["backfillId"])["status"] == "COMPLETED_SUCCESS",
                )
            up.stop()
        with step("bionicpro report --user user_0005"):
            run(home, ".venv/bin/bionicpro", "report", "--user", "user_0005")
        assert list((home / ".bionicpro" / "reports").glob("report-user_0005-*.html"))
    print(f"{sum(took.values()):6.0f} s  in {len(took)} commands", flush=True)  # noqa: T201


def run(folder: Path, *command: str) -> None:
    """A command in the folder, which must go well."""
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


if __name__ == "__main__":
    main()
