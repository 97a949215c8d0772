"""Parity: what the public name answers is what the journal says was published."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from bionicpro_assets.errors import PublicationError
from bionicpro_assets.hours import HOUR, describe
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.table import Answers, Entry, HourlyTable, ReadersHour, seconds_of
from bionicpro_assets.sqlfiles import sql

# Another run may publish between two looks; a difference counts when nobody did.
LOOKS = 5
# How far apart two hours can be that have the same local date and hour: an hour or so where clocks are set back, and
# from UTC-12 to UTC+14 where BIONICPRO_REPORT_TIMEZONE was changed and hours of the old zone are still there.
TWINS = 26 * HOUR


def check_parity(
    clickhouse: ClickHouse,
    table: HourlyTable,
    hours: Sequence[datetime],
    stored_as: Mapping[datetime, tuple[int, Answers]] | None = None,
    current: Mapping[datetime, Entry] | None = None,
) -> None:
    """Compare count and checksum of the hours: asked by the public name, and on the rows that are stored.

    The rows stored are those of the publications that are visible by the journal; their count is compared with the
    journal's too. With the look before the commit, what was sent, what is stored and what readers get are the same.

    Args:
        clickhouse: Where.
        table: The table.
        hours: Published hours.
        stored_as: Of hours that were just looked at, the publication, and what was found stored of it; it needn't be
            looked up where it is the visible one. Rows of a publication never change.
        current: What is visible of the hours, where it was looked up already.

    Raises:
        PublicationError: They differ; the hours are named.
    """
    if not hours:
        return

    def visible() -> dict[datetime, Entry]:
        found = table.current(clickhouse, min(hours), max(hours) + HOUR)
        return {hour: found[hour] for hour in hours if hour in found}

    for look in range(LOOKS):
        current = visible() if look or current is None else {hour: current[hour] for hour in hours}
        stored = _stored(clickhouse, table, current, stored_as or {})
        held = sum(count for count, _ in stored.values())
        answered = table.answers(clickhouse, hours, _keys(clickhouse, table, current, stored))
        if stored != answered:
            stored = _with_twins(clickhouse, table, hours, stored.keys() | answered.keys())
        if stored == answered or visible() == current:
            break
    published = sum(entry.row_count for entry in (current or {}).values())
    if stored != answered or held != published:
        differ = sorted(k for k in {*stored, *answered} if stored.get(k) != answered.get(k))
        given = sum(count for count, _ in answered.values())
        raise PublicationError(
            f"{clickhouse.place}: {table.name} doesn't answer what was published for {describe(hours)}: "
            f"{published} rows by the journal, {held} stored, {given} answered. Different: {differ[:5]}. "
            "Is the view the one of sql/clickhouse/schema? Load these hours again."
        )


def _stored(
    clickhouse: ClickHouse,
    table: HourlyTable,
    current: Mapping[datetime, Entry],
    known: Mapping[datetime, tuple[int, Answers]],
) -> Answers:
    """What is stored of the publications that are visible."""
    seen = {
        hour: found for hour, (number, found) in known.items() if hour in current and current[hour].number == number
    }
    others = {hour: entry.number for hour, entry in current.items() if hour not in seen}
    return added([*seen.values(), *([table.stored_answers(clickhouse, others)] if others else [])])


def added(answers: Iterable[Answers]) -> Answers:
    """The answers together. Two hours that readers can't tell apart, as when clocks are set back, are one to them."""
    total: Answers = {}
    for found in answers:
        for key, (count, checksum) in found.items():
            counted, summed = total.get(key, (0, 0))
            total[key] = counted + count, (summed + checksum) % 2**64
    return total


def _keys(
    clickhouse: ClickHouse, table: HourlyTable, current: Mapping[datetime, Entry], stored: Answers
) -> Iterable[ReadersHour]:
    """What readers tell the hours apart by: also those without rows, of which they may get rows nevertheless."""
    if "hour_start" in table.public_columns:
        return [seconds_of(hour) for hour in current]
    empty = [hour for hour, entry in current.items() if not entry.row_count]
    if not empty:
        return stored
    span = {"hours": list(map(seconds_of, empty)), "first": seconds_of(min(empty)), "last": seconds_of(max(empty))}
    _, local = clickhouse.rows(sql("clickhouse/queries/local_hours.sql").replace(":storage", table.storage), span)
    return {*stored, *map(tuple, local)}


def _with_twins(
    clickhouse: ClickHouse, table: HourlyTable, hours: Sequence[datetime], keys: Iterable[ReadersHour]
) -> Answers:
    """What is stored under the keys that readers group by: those of an hour that autumn repeats are two hours' rows."""
    around = table.current(clickhouse, min(hours) - TWINS, max(hours) + HOUR + TWINS)
    asked = set(keys)
    found = table.stored_answers(clickhouse, {hour: entry.number for hour, entry in around.items()})
    return {key: total for key, total in found.items() if key in asked}
