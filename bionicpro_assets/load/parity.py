"""Parity: what the public name answers is what the journal says was published."""

from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from typing import Any

from bionicpro_assets.errors import PublicationError
from bionicpro_assets.hours import HOUR, describe
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.table import Current, HourlyTable, StoredTotals

# Another run may publish between two looks; a difference counts when nobody did.
LOOKS = 5
# How far apart two hours can be that have the same local date and hour: an hour or so where clocks are set back, and
# from UTC-12 to UTC+14 where BIONICPRO_REPORT_TIMEZONE was changed and hours of the old zone are still there.
TWINS = 26 * HOUR


def check_parity(
    clickhouse: ClickHouse,
    table: HourlyTable,
    hours: Sequence[datetime],
    stored_as: tuple[Mapping[datetime, int], StoredTotals] | None = None,
) -> dict[datetime, Current]:
    """Compare count and checksum of the hours: asked by the public name, and on the rows that are stored.

    The rows stored are those of the publications that are visible by the journal; their count is compared with the
    journal's too. With the audit before the commit, what was sent, what is stored and what readers get are the same.

    Args:
        clickhouse: Where.
        table: The table.
        hours: Published hours.
        stored_as: Publications of just these hours, and what was found stored of them: needn't be looked up where they
            are the visible ones. Rows of a publication never change.

    Returns:
        The publications that are visible.

    Raises:
        PublicationError: They differ; the hours are named.
    """
    since, until = min(hours), max(hours) + HOUR
    for look in range(LOOKS):
        current = table.current(clickhouse, since, until)
        visible = {hour: current[hour].number for hour in hours}
        if look == 0 and stored_as and stored_as[0] == visible:
            stored = stored_as[1].visible
        else:
            stored = table.stored_totals(clickhouse, visible).visible
        answered = table.answered_totals(clickhouse, hours)
        held = sum(count for count, _ in stored.values())
        if stored != answered:
            stored = _with_twins(clickhouse, table, hours, stored.keys() | answered.keys())
        if stored == answered or table.current(clickhouse, since, until) == current:
            break
    published = sum(current[hour].row_count for hour in hours)
    if stored != answered or held != published:
        differ = sorted(k for k in {*stored, *answered} if stored.get(k) != answered.get(k))
        given = sum(count for count, _ in answered.values())
        raise PublicationError(
            f"{clickhouse.place}: {table.name} doesn't answer what was published for {describe(hours)}: "
            f"{published} rows by the journal, {held} stored, {given} answered. Different: {differ[:5]}. "
            "Is the view the one of sql/clickhouse/schema? Load these hours again."
        )
    return current


def _with_twins(
    clickhouse: ClickHouse, table: HourlyTable, hours: Sequence[datetime], keys: Set[tuple[Any, ...]]
) -> dict[tuple[Any, ...], tuple[int, int]]:
    """What is stored under the keys that readers group by: those of an hour that autumn repeats are two hours' rows."""
    around = table.current(clickhouse, min(hours) - TWINS, max(hours) + HOUR + TWINS)
    totals = table.stored_totals(clickhouse, {hour: entry.number for hour, entry in around.items()}).visible
    return {key: total for key, total in totals.items() if key in keys}
