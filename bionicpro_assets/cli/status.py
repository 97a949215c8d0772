"""`bionicpro status`."""

from datetime import UTC, datetime

import dagster as dg

from bionicpro_assets.cli.console import console, table
from bionicpro_assets.defs import keys
from bionicpro_assets.errors import ClickHouseError
from bionicpro_assets.hours import describe, parse_hour
from bionicpro_assets.instance import dagster_instance
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.table import HourlyTable
from bionicpro_assets.runs import hours_of_run
from bionicpro_assets.settings import Settings
from bionicpro_assets.sqlfiles import sql

RUNS_SHOWN = 5


def run_status(now: datetime) -> None:
    """Print materialisations, freshness of the mart, and the last runs."""
    settings = Settings.load()
    with dagster_instance(settings) as instance:
        table("Assets", ["asset", "hours", "newest hour", "materialised"], _assets(instance, now))
        table("Last runs", ["run", "status", "hours", "began", "took"], _runs(instance))
    with ClickHouse(
        settings.secret("BIONICPRO_CLICKHOUSE_URL"), cluster=settings.clickhouse_cluster, engine_wait_seconds=5
    ) as clickhouse:
        try:
            _freshness(clickhouse, now)
        except ClickHouseError as error:
            if not error.retryable:
                raise
            console.print(f"The mart's freshness isn't known now: {error}", style="yellow")


def _assets(instance: dg.DagsterInstance, now: datetime) -> list[tuple[str, int, str, str]]:
    rows = []
    for key in (keys.HOURLY_STATS, keys.CRM_EXTRACT, keys.TELEMETRY_EXTRACT, keys.MART):
        hours = instance.get_materialized_partitions(key)
        latest = instance.fetch_materializations(key, limit=1).records
        when = _ago(now, datetime.fromtimestamp(latest[0].timestamp, UTC)) if latest else "never"
        newest = f"{max(map(parse_hour, hours)):%Y-%m-%d %H:%M}" if hours else ""
        rows.append((key.to_user_string(), len(hours), newest, when))
    return rows


def _runs(instance: dg.DagsterInstance) -> list[tuple[str, str, str, str, str]]:
    rows = []
    for record in instance.get_run_records(limit=RUNS_SHOWN):
        tags = record.dagster_run.tags
        hours = describe(hours_of_run(tags)) if hours_of_run(tags) else ""
        began = f"{datetime.fromtimestamp(record.start_time, UTC):%Y-%m-%d %H:%M:%S}" if record.start_time else ""
        took = f"{record.end_time - record.start_time:.1f} s" if record.start_time and record.end_time else ""
        rows.append((record.dagster_run.run_id[:8], record.dagster_run.status.value.lower(), hours, began, took))
    return rows


def _freshness(clickhouse: ClickHouse, now: datetime) -> None:
    name = keys.table_name(keys.MART)
    HourlyTable.of(clickhouse, name)
    _, rows = clickhouse.rows(sql("clickhouse/queries/freshness.sql"), {"table_name": name})
    hours, newest, read, row_count = rows[0]
    if not hours:
        console.print(f"{name}: nothing is published yet. Load it with: bionicpro materialize")
        return
    hour, read_at = datetime.fromtimestamp(newest, UTC), datetime.fromtimestamp(read, UTC)
    newest_hour = f"the newest is {hour:%Y-%m-%d %H:%M} UTC, read {_ago(now, read_at)}"
    console.print(f"{name}: {row_count} rows in {hours} hours; {newest_hour}.", highlight=False)


def _ago(now: datetime, then: datetime) -> str:
    seconds = max(0, int((now - then).total_seconds()))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"
