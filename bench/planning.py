"""What it takes to create a run over many hours in Dagster's PostgreSQL, before the run does anything.

    python -W ignore -m bench.planning --hours 168 720

The same run of the real job, three ways in turn: Dagster's own storage, as it is delivered; the same with its batches
switched on; and this platform's storage. A run is created by whoever asks for it: a tick of the schedule, a backfill,
a click in the UI, which waits for it.
"""

import argparse
import os
import statistics
import time
from pathlib import Path

import yaml

from bench.sources import Sources, databases, window, work_folder
from bionicpro_assets.event_log import BATCH_SIZE, BATCH_SIZE_VARIABLE

WAYS = {
    "Dagster's own storage": ("postgres", 0),
    "Dagster's own storage, batches on": ("postgres", BATCH_SIZE),
    "this platform's storage": ("custom", BATCH_SIZE),
}


def main() -> None:
    """Create runs, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=int, nargs="+", default=[168, 720])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with work_folder() as folder, databases(folder) as sources:
        os.environ |= {
            "BIONICPRO_CRM_DB_URL": sources.crm.url,
            "BIONICPRO_TELEMETRY_DB_URL": sources.telemetry.url,
            "BIONICPRO_CLICKHOUSE_URL": f"chdb://{folder}/clickhouse",
            "BIONICPRO_PARTITIONS_START": f"{window(max(arguments.hours))[0]:%Y-%m-%dT%H:%M}",
        }
        for hours in arguments.hours:
            took = {way: [] for way in WAYS}
            for _ in range(arguments.rounds):
                for way in WAYS:
                    took[way].append(create(sources, folder, hours, *WAYS[way]))
            own = statistics.median(took["Dagster's own storage"])
            for way, seconds in took.items():
                median = statistics.median(seconds)
                print(f"{hours} hours, {way}: {median:.2f} s, {own / median:.1f} times as fast")  # noqa: T201


def create(sources: Sources, folder: Path, hours: int, kind: str, batch: int) -> float:
    """Seconds that it takes to create the run, in a database that has nothing else."""
    import dagster as dg

    from bionicpro_assets.definitions import build_definitions
    from bionicpro_assets.defs import keys
    from bionicpro_assets.hours import partition_key
    from bionicpro_assets.runs import range_tags
    from bionicpro_assets.settings import Settings
    from bionicpro_assets_tests.integration.sources import execute

    execute(sources.telemetry.url, "DROP DATABASE IF EXISTS dagster_trial WITH (FORCE)", autocommit=True)
    execute(sources.telemetry.url, "CREATE DATABASE dagster_trial", autocommit=True)
    url = sources.tcp_url("dagster_trial").replace("postgresql://", "postgresql+psycopg2://")
    config = {"postgres_url": url}
    ours = {"module": "bionicpro_assets.postgres_storage", "class": "BatchedPostgresStorage", "config": config}
    home = folder / kind
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text(yaml.safe_dump({"storage": {kind: ours if kind == "custom" else config}}))
    os.environ[BATCH_SIZE_VARIABLE] = str(batch)
    span = window(hours)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        job = build_definitions(Settings.load()).resolve_job_def(keys.JOB)
        tags = range_tags(partition_key(span[0]), partition_key(span[-1]))
        began = time.monotonic()
        run = instance.create_run_for_job(job, tags=tags)
        seconds = time.monotonic() - began
        planned = sum(e.event_type_value == "ASSET_MATERIALIZATION_PLANNED" for e in _events(instance, run.run_id))
    hourly = 3
    if planned < hourly * hours:
        raise SystemExit(f"Only {planned} events say what is planned.")
    return seconds


def _events(instance, run_id):  # type: ignore[no-untyped-def]
    return [entry.dagster_event for entry in instance.all_logs(run_id) if entry.dagster_event]


if __name__ == "__main__":
    main()
