"""`bionicpro status`."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import dagster as dg

from bionicpro_assets.cli.console import console, table
from bionicpro_assets.databases import clickhouse_of
from bionicpro_assets.defs import keys
from bionicpro_assets.errors import ClickHouseError
from bionicpro_assets.hours import describe, hour_range, parse_hour
from bionicpro_assets.instance import dagster_instance
from bionicpro_assets.late.record import record_of
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.table import HourlyTable
from bionicpro_assets.runs import hours_of_run
from bionicpro_assets.settings import Settings
from bionicpro_assets.sqlfiles import sql
from bionicpro_assets.standing.look import Standing, examine

RUNS_SHOWN = 5
MART = keys.table_name(keys.MART)


@dataclass(frozen=True, slots=True)
class AssetState:
    """What Dagster knows of an asset: hours that are materialised, the newest of them, and when it was, and any was."""

    asset: str
    hours: int
    newest_hour: datetime | None
    newest_hour_materialised_at: datetime | None
    materialised_at: datetime | None


@dataclass(frozen=True, slots=True)
class RunState:
    """A run: the hours it is for, when it began, and how long it took."""

    run_id: str
    status: str
    first_hour: datetime | None
    last_hour: datetime | None
    hours: int
    began_at: datetime | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class MartState:
    """What is published of the mart: the newest hour, and when its source was read."""

    rows: int
    hours: int
    newest_hour: datetime
    read_at: datetime


def run_status(now: datetime, *, as_json: bool) -> None:
    """Print materialisations, the last runs, and the freshness of the mart.

    Raises:
        ClickHouseError: The mart can't be asked; what Dagster knows is printed. An embedded engine that another process
            has is no such case: it serves one at a time.
    """
    settings = Settings.load()
    with dagster_instance(settings) as instance:
        assets, runs = _assets(instance), _runs(instance)
        published, standing, unknown, failure = _asked(settings, instance, now)
    if as_json:
        found = {
            "assets": [asdict(a) for a in assets],
            "runs": [asdict(r) for r in runs],
            "mart": asdict(published) if published else None,
            "mart_unknown_because": unknown,
            "damage": standing.says if standing else None,
        }
        print(json.dumps(found, default=lambda instant: instant.isoformat(), ensure_ascii=False))  # noqa: T201
    else:
        _show(assets, runs)
    if failure:
        raise failure
    if not as_json:
        console.print(_freshness(published, unknown, now), highlight=False, style="yellow" if unknown else "")
        for says in standing.says if standing else ():
            console.print(says, highlight=False, style="red")


def _asked(
    settings: Settings, instance: dg.DagsterInstance, now: datetime
) -> tuple[MartState | None, Standing | None, str | None, ClickHouseError | None]:
    """What is published, what of it doesn't stand, why that isn't known, and whether that is a failure."""
    embedded = settings.secret("BIONICPRO_CLICKHOUSE_URL").startswith("chdb:")
    with clickhouse_of(settings, engine_wait_seconds=5) as clickhouse:
        try:
            return _published(clickhouse), examine(clickhouse, record_of(instance), now), None, None
        except ClickHouseError as error:
            return None, None, str(error), None if embedded and error.retryable else error


def _show(assets: Sequence[AssetState], runs: Sequence[RunState]) -> None:
    table(
        "Assets (times are in UTC)",
        ["asset", "hours", "newest hour", "loaded at", "last load of any hour"],
        [
            (
                a.asset,
                a.hours,
                *map(_minute, (a.newest_hour, a.newest_hour_materialised_at)),
                _minute(a.materialised_at) or "never",
            )
            for a in assets
        ],
    )
    table(
        "Last runs",
        ["run", "status", "hours", "began", "took"],
        [
            (r.run_id[:8], r.status, _span(r), _minute(r.began_at), f"{r.seconds:.1f} s" if r.seconds else "")
            for r in runs
        ],
    )


def _assets(instance: dg.DagsterInstance) -> list[AssetState]:
    states = []
    for key in (keys.HOURLY_STATS, keys.CRM_EXTRACT, keys.TELEMETRY_EXTRACT, keys.MART):
        hours = instance.get_materialized_partitions(key)
        newest = max(hours, key=parse_hour) if hours else None
        of_newest = dg.AssetRecordsFilter(key, asset_partitions=[newest]) if newest else None
        states.append(
            AssetState(
                key.to_user_string(),
                len(hours),
                parse_hour(newest) if newest else None,
                _materialised_at(instance, of_newest) if of_newest else None,
                _materialised_at(instance, key),
            )
        )
    return states


def _materialised_at(instance: dg.DagsterInstance, of: dg.AssetKey | dg.AssetRecordsFilter) -> datetime | None:
    latest = instance.fetch_materializations(of, limit=1).records
    return datetime.fromtimestamp(latest[0].timestamp, UTC) if latest else None


def _runs(instance: dg.DagsterInstance) -> list[RunState]:
    states = []
    for record in instance.get_run_records(limit=RUNS_SHOWN):
        run, hours = record.dagster_run, hours_of_run(record.dagster_run.tags)
        began = datetime.fromtimestamp(record.start_time, UTC) if record.start_time else None
        took = record.end_time - record.start_time if record.start_time and record.end_time else None
        first, last = (hours[0], hours[-1]) if hours else (None, None)
        states.append(RunState(run.run_id, run.status.value.lower(), first, last, len(hours), began, took))
    return states


def _published(clickhouse: ClickHouse) -> MartState | None:
    HourlyTable.of(clickhouse, MART)
    _, rows = clickhouse.rows(sql("clickhouse/queries/freshness.sql"), {"table_name": MART})
    hours, newest, read, row_count = rows[0]
    if not hours:
        return None
    return MartState(row_count, hours, datetime.fromtimestamp(newest, UTC), datetime.fromtimestamp(read, UTC))


def _freshness(published: MartState | None, unknown: str | None, now: datetime) -> str:
    if unknown:
        return f"The mart's freshness isn't known now: {unknown}"
    if not published:
        return f"{MART}: nothing is published yet. Load it with: bionicpro materialize"
    newest = f"the newest is {_minute(published.newest_hour)} UTC, read {_ago(now, published.read_at)}"
    return f"{MART}: {published.rows} rows in {published.hours} hours; {newest}."


def _span(run: RunState) -> str:
    return describe(hour_range(run.first_hour, run.last_hour)) if run.first_hour and run.last_hour else ""


def _minute(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%d %H:%M}" if instant else ""


def _ago(now: datetime, then: datetime) -> str:
    seconds = max(0, int((now - then).total_seconds()))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"
