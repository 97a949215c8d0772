"""This platform: the Dagster job `bionicpro_reports_etl`, as the embedded profile runs it.

With the argument `prepare` it makes the mart's schema and loads the hours for the first time, and writes the finished
rows to `finished.parquet`. Steps are what Dagster recorded of them; what is left of the whole is Dagster's own. With
the argument `where` they are kinds of work instead.
"""

import json
import os
import sys
import uuid
from pathlib import Path

from bench.measure import Job, child, instants
from bench.where import Where


def main() -> None:
    """Once."""
    job = Job(**json.loads(sys.argv[1]))
    since, _ = instants(job)
    # In place of a .env that lies about.
    nothing = Path(job.folder).parent / "empty.env"
    nothing.touch()
    os.environ.update(
        BIONICPRO_CRM_DB_URL=job.crm_url,
        BIONICPRO_TELEMETRY_DB_URL=job.telemetry_url,
        BIONICPRO_CLICKHOUSE_URL=f"chdb://{job.folder}/clickhouse",
        BIONICPRO_HOME=job.folder,
        BIONICPRO_PARTITIONS_START=f"{since:%Y-%m-%dT%H:%M}",
        # The rolled-up rows are the generator's: there are no raw rows behind them.
        BIONICPRO_ROLLUP="external",
        BIONICPRO_ENV_FILE=str(nothing),
        # A fleet that is there at once is no surprise here.
        BIONICPRO_MAX_ASSUMED_PERCENT="100",
    )
    # What a run has imported before it begins.
    from bionicpro_assets import instance
    from bionicpro_assets.settings import Settings

    settings = Settings.load()
    if "prepare" in sys.argv:
        _make_schema(job)
    with instance.dagster_instance(settings) as dagster:
        child(lambda job: _work(job, settings, dagster))
    if "prepare" in sys.argv:
        _export(job)


def _work(job: Job, settings: object, dagster: object) -> tuple[int, dict[str, float]]:
    from bionicpro_assets import instance
    from bionicpro_assets.hours import HOUR, hour_range

    since, until = instants(job)
    run_id = str(uuid.uuid4())
    where = Where()
    if "where" in sys.argv:
        where.install()
    where.begin()
    outcome = instance.run_job(settings, dagster, hour_range(since, until - HOUR), run_id)  # type: ignore[arg-type]
    if outcome.failures:
        raise RuntimeError("\n".join(outcome.failures))
    found = where.end()
    rows, steps = _told(dagster, run_id)
    return rows, dict(found) if "where" in sys.argv else steps


def _told(dagster: object, run_id: str) -> tuple[int, dict[str, float]]:
    """Rows of the mart and seconds a step, as the run's events have them."""
    rows, began, steps = 0, {}, {}
    for entry in dagster.all_logs(run_id):  # type: ignore[attr-defined]
        event = entry.dagster_event
        if event is None:
            continue
        if event.is_step_start:
            began[event.step_key] = entry.timestamp
        elif event.is_step_success:
            steps[event.step_key] = entry.timestamp - began[event.step_key]
        elif event.is_step_materialization and event.asset_key.path[-1] == "user_prosthesis_stats":
            counted = event.materialization.metadata.get("dagster/partition_row_count")
            rows += int(counted.value) if counted else 0  # type: ignore[union-attr]
    return rows, steps


def _make_schema(job: Job) -> None:
    from bionicpro_assets.load.clickhouse import ClickHouse
    from bionicpro_assets.setup.clickhouse import apply_clickhouse_schema

    with ClickHouse(f"chdb://{job.folder}/clickhouse") as clickhouse:
        apply_clickhouse_schema(clickhouse)


def _export(job: Job) -> None:
    from bionicpro_assets.load.clickhouse import ClickHouse

    with ClickHouse(f"chdb://{job.folder}/clickhouse") as clickhouse:
        file = Path(job.folder).parent / "finished.parquet"
        clickhouse.command(f"INSERT INTO FUNCTION file('{file}', Parquet) SELECT * FROM reports.user_prosthesis_stats")


if __name__ == "__main__":
    main()
