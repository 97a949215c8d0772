"""What the hourly look does about damage: broken parts, a journal that lost hours, hours to load again."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from bionicpro_assets.errors import ClickHouseError, DataError
from bionicpro_assets.extract.changes import hour_states, rows_of_state
from bionicpro_assets.extract.postgres import PostgresSource
from bionicpro_assets.hours import HOUR, contiguous_ranges, describe_ranges
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.table import HourlyTable, current_entries, seconds_of
from bionicpro_assets.quality.claims import CRM, MART, REJECTED, TELEMETRY
from bionicpro_assets.sqlfiles import sql
from bionicpro_assets.standing.look import Record, Standing, look, read_again, set_aside_broken_parts, to_read
from bionicpro_assets.steps.crm import extract_crm_hours
from bionicpro_assets.transform.ownership import ASSUMED, NAMED, STATED

# What a run of the job loads; other tables of the kind are of assets that somebody added.
LOADED = {CRM, TELEMETRY, REJECTED, MART}
OWNED = ["hour_start", "chip_id", "prosthesis_id", "user_id"]
# The extract of a day is a frame of twenty-four answers of the CRM.
HOURS_AT_ONCE = 24


@dataclass(slots=True)
class Seen:
    """What a look saw, and did.

    Attributes:
        standing: What doesn't stand.
        to_load: Hours that come back as they were when they are loaded again.
        unwitnessed: Hours that would go to other wearers: only the rows that are lost knew who wore the chips.
        gone: Hours of which the telemetry database has less than was published: loaded again, they would lose the rest.
        done: Sentences about what was done at once.
        read: How many hours of a table were read again.
    """

    standing: Standing
    to_load: list[datetime] = field(default_factory=list)
    unwitnessed: list[datetime] = field(default_factory=list)
    gone: list[datetime] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    read: int = 0


def look_and_heal(
    clickhouse: ClickHouse,
    crm: PostgresSource,
    telemetry: PostgresSource,
    record: Record,
    doubted: Collection[datetime],
    now: datetime,
) -> Seen:
    """Look at what stands, do what can be done without loading, and decide which hours to load again.

    Args:
        clickhouse: Where.
        crm: The CRM, which is asked only where wearers were lost.
        telemetry: The telemetry database, which is asked only where something is damaged.
        record: What Dagster's record says was loaded.
        doubted: Hours that were damaged at the last look; their rows are read again.
        now: Now, which also decides whose turn it is to be read.

    Raises:
        ClickHouseError: ClickHouse can't be read, and not for a broken part.
        SourceError: A source can't be read, where it must be.
    """
    done: list[str] = []
    try:
        seen = _look(clickhouse, record, doubted, now)
    except ClickHouseError as error:
        if error.retryable or clickhouse.cluster:
            raise
        # Without a broken part it is said again, unless ClickHouse has set the part aside by itself meanwhile.
        done = set_aside_broken_parts(clickhouse)
        seen = _look(clickhouse, record, doubted, now)
    if lost := seen.standing.unjournalled.get(CRM):
        back = _journal_again(clickhouse, record, lost, now)
        if back:
            done.append(f"{CRM}: the journal had lost {describe_ranges(back)}, whose rows stand; it has them again.")
            seen.standing.damaged[CRM] -= set(back)
    seen.done = done
    mart_lacks = seen.standing.damaged.get(MART, set())
    history_lacks = seen.standing.damaged.get(CRM, set())
    if unknown := history_lacks & mart_lacks:
        seen.standing.says.append(
            f"{CRM} and {MART}: of {describe_ranges(unknown)} both are lost, and who wore the chips. Loaded again, "
            "the hours go to whom the CRM and the hours around them name. Where chips were refitted since, restore "
            "storage.crm_customer_prosthesis from the backup, and load these hours once more: docs/damage.md."
        )
    witnesses = sorted(history_lacks - mart_lacks)
    seen.unwitnessed = _of_others(crm, clickhouse, witnesses)
    if seen.unwitnessed:
        seen.standing.says.append(
            f"{CRM}: who wore the chips in {describe_ranges(seen.unwitnessed)} was known by lost rows alone; loaded "
            "again, hours would go to other people. The reports of these hours stand and are left as they are. Restore "
            "storage.crm_customer_prosthesis from the backup: docs/damage.md."
        )
    damaged = {name: hours for name, hours in seen.standing.damaged.items() if hours}
    seen.standing.says += [
        f"{name}: no job of this platform loads it; materialise {describe_ranges(damaged[name])} of it."
        for name in damaged.keys() - LOADED
    ]
    to_load = sorted(set().union(*(damaged[name] for name in damaged.keys() & LOADED)))
    seen.gone = _gone(telemetry, record, to_load)
    if seen.gone:
        seen.standing.says.append(
            f"{telemetry.name} has fewer rows now than were published of {describe_ranges(seen.gone)}: loaded again, "
            "the reports would lose the rest, so these hours are left as they are. Restore them from the backup; or, "
            "if the rows were deleted on purpose, load them: bionicpro materialize --from … --to …"
        )
    seen.to_load = sorted(set(to_load) - set(seen.unwitnessed) - set(seen.gone))
    return seen


def _look(clickhouse: ClickHouse, record: Record, doubted: Collection[datetime], now: datetime) -> Seen:
    standing, reading = look(clickhouse, record, now), to_read(clickhouse, doubted, now)
    standing.add(read_again(clickhouse, reading))
    return Seen(standing, read=sum(map(len, reading.values())))


def _journal_again(
    clickhouse: ClickHouse, record: Record, hours: Collection[datetime], now: datetime
) -> list[datetime]:
    """Journal publications of the wearers' history anew whose rows stand: the sources can't give them back.

    An hour has it if just one publication that is stored has as many rows as Dagster's record says were published.
    """
    table, back = HourlyTable.of(clickhouse, CRM), []
    loaded = record.loaded(CRM, hours)
    stored: dict[datetime, list[int]] = {}
    query = f"SELECT toUnixTimestamp(hour_start), publication, count() FROM {table.storage} GROUP BY ALL"  # noqa: S608 - own names
    of_seconds = {seconds_of(hour): hour for hour in loaded}
    for seconds, number, count in clickhouse.rows(query)[1]:
        hour = of_seconds.get(seconds)
        if hour and count == loaded[hour].row_count:
            stored.setdefault(hour, []).append(number)
    for hour, numbers in stored.items():
        last = loaded[hour]
        chosen = numbers if len(numbers) == 1 else [n for n in numbers if n == last.publication]
        if len(chosen) == 1:
            pinned, parameters = table.pinned({hour: chosen[0]})
            clickhouse.command(
                sql("clickhouse/queries/journal_again.sql")
                .replace(":rows", pinned)
                .replace(":checksum", table.checksum),
                parameters
                | {"table_name": CRM, "hour": seconds_of(hour), "number": chosen[0]}
                | {"read_at": int(last.source_read_at.timestamp() * 1e6), "began_at": int(now.timestamp() * 1e6)},
            )
            back.append(hour)
    return sorted(back)


def _gone(telemetry: PostgresSource, record: Record, hours: Collection[datetime]) -> list[datetime]:
    """Those of the hours of which the source has fewer rows than were once published."""
    had = record.loaded(TELEMETRY, hours) if hours else {}
    if not had:
        return []
    with telemetry.snapshot() as snapshot:
        states = hour_states(snapshot, had)
    return sorted(hour for hour, loaded in had.items() if rows_of_state(states[hour]) < loaded.row_count)


def _of_others(crm: PostgresSource, clickhouse: ClickHouse, hours: Collection[datetime]) -> list[datetime]:
    """Those of the hours that would go to other wearers than the mart has, if they were loaded again."""
    others: set[datetime] = set()
    table = HourlyTable.of(clickhouse, MART) if hours else None
    for part in contiguous_ranges(hours, HOURS_AT_ONCE):
        entries = current_entries(clickhouse, [MART], part[0], part[-1] + HOUR)[MART]
        numbers: Mapping[datetime, int] = {hour: entries[hour].number for hour in part if hour in entries}
        if table is None or not numbers:
            continue
        has = table.read(clickhouse, numbers, OWNED).with_columns(pl.col("prosthesis_id").cast(pl.Int64))
        try:
            rows = extract_crm_hours(crm, clickhouse, part).rows
        except DataError:
            others.update(part)
            continue
        worn = rows.filter(pl.col("ownership").is_in([NAMED, ASSUMED, STATED])).select(OWNED)
        others.update(has.join(worn, on=OWNED, how="anti")["hour_start"].unique())
    return sorted(others)
