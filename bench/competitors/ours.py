"""This platform: the Dagster job `bionicpro_reports_etl`, as the embedded profile runs it.

With the argument `prepare` it makes the mart's schema and loads the hours for the first time, and writes the finished
rows to `finished.parquet`. Steps are what Dagster recorded of them; what is left of the whole is Dagster's own. With
the argument `where` they are kinds of work instead. After the clock has stopped it counts the statements that were sent
to ClickHouse, the run's events as Dagster's storage gives them back, and what readers of the mart get.
"""

import json
import os
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.measure import Job, child, instants
from bench.statements import Statements
from bench.where import Where


def main() -> None:
    """Once."""
    job = Job(**json.loads(sys.argv[1]))
    configure(job)
    statements = Statements()
    statements.install()
    # What a run has imported before it begins.
    from bionicpro_assets import instance
    from bionicpro_assets.settings import Settings

    settings = Settings.load()
    if "prepare" in sys.argv:
        make_schema(job)
    with instance.dagster_instance(settings) as dagster:
        run = Run(job, settings, dagster, statements)
        child(run.work, run.told)
    if "prepare" in sys.argv:
        _export(job)


def configure(job: Job) -> None:
    """Set the environment that the platform reads its settings from."""
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


class Run:
    """One run of the job, and what there is to tell of it afterwards."""

    def __init__(self, job: Job, settings: Any, dagster: Any, statements: Statements) -> None:
        self.id = str(uuid.uuid4())
        self._job = job
        self._settings = settings
        self._dagster = dagster
        self._statements = statements
        self._kinds: Mapping[str, float] = {}
        self._sent = self._connections = 0

    def work(self, job: Job) -> tuple[int, dict[str, float]]:
        """The run; its rows and steps are told later."""
        from bionicpro_assets import instance
        from bionicpro_assets.hours import HOUR, hour_range

        since, until = instants(job)
        where = Where()
        if "where" in sys.argv:
            where.install()
        where.begin()
        before = self._statements.sent, self._statements.connections
        outcome = instance.run_job(self._settings, self._dagster, hour_range(since, until - HOUR), self.id)
        if outcome.failures:
            raise RuntimeError("\n".join(outcome.failures))
        self._kinds = where.end() if "where" in sys.argv else {}
        self._sent = self._statements.sent - before[0]
        self._connections = self._statements.connections - before[1]
        return 0, {}

    def told(self) -> dict[str, Any]:
        """Rows of the mart, seconds a step and sizes, as the run's events have them; what readers get."""
        from bench.changes import held

        if not self._sent:
            raise RuntimeError("No statement was counted: the platform doesn't get its client by get_client any more.")
        rows, size, began, steps = 0, 0, {}, {}
        events = self._dagster.all_logs(self.id)
        for entry in events:
            size += len(entry.to_json().encode())
            event = entry.dagster_event
            if event is None:
                continue
            if event.is_step_start:
                began[event.step_key] = entry.timestamp
            elif event.is_step_success:
                steps[event.step_key] = entry.timestamp - began[event.step_key]
            elif event.is_step_materialization and event.asset_key.path[-1] == "user_prosthesis_stats":
                counted = event.materialization.metadata.get("dagster/partition_row_count")
                rows += int(counted.value) if counted else 0
        return {
            "rows": rows,
            "steps": dict(self._kinds) or steps,
            "counters": {
                "statements": self._sent,
                "connections": self._connections,
                "events": len(events),
                "event_bytes": size,
            },
            "held": held(os.environ["BIONICPRO_CLICKHOUSE_URL"], self._job.since, self._job.until),
        }


def make_schema(job: Job) -> None:
    """Make the tables of the mart."""
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
