"""Sweeping: rows that nobody reads any more, or never will, are deleted."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.cluster import LOCAL, check_journals_agree, quoted
from bionicpro_assets.load.table import STORAGE
from bionicpro_assets.sqlfiles import sql

# Publications in one DELETE: its text stays well below ClickHouse's limit on the length of a query.
DELETE_CHUNK = 1000
# An attempt that wrote rows and hasn't committed may still be running; no run lasts this long.
UNCOMMITTED_GRACE = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep deleted from one table.

    Attributes:
        table: The public name.
        publications: Pairs of hour and publication, by reason: `replaced` or `never committed`.
        rows: Rows, by reason.
    """

    table: str
    publications: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)


def sweep(
    clickhouse: ClickHouse,
    name: str,
    *,
    replaced_grace: timedelta,
    uncommitted_grace: timedelta = UNCOMMITTED_GRACE,
) -> Swept:
    """Delete the rows of one table that no reader sees.

    The journal keeps its rows: it is the record of who published what.

    Args:
        clickhouse: Where.
        name: The table's public name.
        replaced_grace: How long ago a publication must have been replaced; longer than any query takes.
        uncommitted_grace: How long ago rows must have been written whose attempt never committed; longer than any
            run takes.
    """
    table = name.partition(".")[2]
    rows_of = f"{STORAGE}.{table}"
    if clickhouse.cluster:
        check_journals_agree(clickhouse, replaced_grace)
        # A Distributed table has no rows of its own to delete.
        rows_of += f"{LOCAL} ON CLUSTER {quoted(clickhouse.cluster)}"
    _, garbage = clickhouse.rows(
        sql("clickhouse/queries/garbage.sql"),
        {
            "table_name": name,
            "database": STORAGE,
            "table": table,
            "replaced_grace": int(replaced_grace.total_seconds()),
            "uncommitted_grace": int(uncommitted_grace.total_seconds()),
        },
    )
    swept = Swept(name)
    for start in range(0, len(garbage), DELETE_CHUNK):
        chunk = garbage[start : start + DELETE_CHUNK]
        pairs = ", ".join(f"(toDateTime({int(hour)}, 'UTC'), {int(number)})" for hour, number, _, _ in chunk)
        # Numbers only, and the table's own name.
        clickhouse.command(f"DELETE FROM {rows_of} WHERE (hour_start, publication) IN ({pairs})")  # noqa: S608
        for _, _, rows, reason in chunk:
            swept.publications[reason] += 1
            swept.rows[reason] += rows
    return swept
