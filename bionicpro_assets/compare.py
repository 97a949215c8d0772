"""The mart side by side with another table of the same contract, such as the one an Airflow DAG fills."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from bionicpro_assets.errors import PlatformError
from bionicpro_assets.load.clickhouse import ClickHouse

MART = "reports.user_prosthesis_stats"
KEY = ("report_date", "report_hour", "chip_id")
STAMP = "etl_processed_at"
# Who it is, and how they are called; every other common column is a number of the hour.
WEARER = ("user_id", "prosthesis_id")
NAMES = ("customer_name", "prosthesis_model", "customer_email", "customer_region", "customer_branch",
         "prosthesis_category", "prosthesis_serial")  # fmt: skip
# When a row was produced or last touched says nothing of what it holds.
IGNORED = (STAMP, "source_updated_at")
# Averages are rounded to 2 decimals by one view and not by another: half of the last of these, and Float32's own grain.
TOLERANCE = 0.0051

Kind = str
KINDS: dict[Kind, str] = {
    "doubled": "is in {other} several times: every sum over it is as many times too high",
    "missing hour": "isn't in {other}, nor any other of its hour: an outage, or never loaded",
    "missing": "isn't in {other}, which has others of its hour: telemetry that came late, or a status it leaves out",
    "surplus": "is in {other} only; if it is in the quarantine, the reason stands beside it",
    "other wearer": "is of another patient or prosthesis in {other}: the chip has moved, and was loaded again",
    "other numbers": "has other numbers in {other}: corrected or rolled up again after its last load there",
    "other names": "has other names or addresses in {other}: the CRM was changed in between",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """A row in which the two tables differ.

    Attributes:
        day: Its date in the report time zone.
        hour: Its hour of the day there.
        chip_id: The chip that sent it.
        kinds: What is different, by the words of `KINDS`.
        copies: How often the other table has it.
        columns: Columns with other values in the newest of these copies.
        note: The reason in the quarantine, if the mart has it there.
    """

    day: date
    hour: int
    chip_id: str
    kinds: Sequence[Kind]
    copies: int
    columns: Sequence[str]
    note: str


@dataclass
class Comparison:
    """What a comparison has found so far.

    Attributes:
        rows: Rows of the mart.
        other_rows: Rows of the other table.
        alike: Rows of the mart that the other table has just once, and just so.
        kinds: How many rows differ in which way; a row may in several.
    """

    rows: int = 0
    other_rows: int = 0
    alike: int = 0
    kinds: Counter[Kind] = field(default_factory=Counter)


def compare_marts(
    clickhouse: ClickHouse, other: str, first: date, last: date, *, report_timezone: str
) -> Iterator[tuple[Comparison, list[Difference]]]:
    """Compare day by day, in the order of the days; yields the counts so far, and the day's differing rows.

    A row is a chip's hour. Where a time zone repeats an hour in autumn the mart has two rows of one name: they are
    taken for equal when the other table has both, whatever copies it has beside them.

    Args:
        clickhouse: Where both tables are.
        other: The other table, as `database.table`.
        first: The first day, in the report time zone.
        last: The last day, included.
        report_timezone: The zone of `report_date` and `report_hour`.

    Raises:
        PlatformError: There is no such table, or it lacks columns of the reports' contract.
        ClickHouseError: ClickHouse can't be asked.
    """
    columns = common_columns(clickhouse, other)
    query = day_query(other, columns)
    comparison = Comparison()
    day = first
    while day <= last:
        _, rows = clickhouse.rows(query, {"day": day.isoformat(), "zone": report_timezone, "tolerance": TOLERANCE})
        hours_there = {hour for hour, _, _, theirs, *_ in rows if theirs}
        differences = []
        for hour, chip, ours, theirs, differing, note in rows:
            comparison.rows += ours
            comparison.other_rows += theirs
            kinds = kinds_of(ours, theirs, differing, hour_is_there=hour in hours_there)
            if kinds:
                differences.append(Difference(day, hour, chip, kinds, theirs, differing, note))
                comparison.kinds.update(kinds)
            else:
                comparison.alike += ours
        yield comparison, differences
        day += timedelta(days=1)


def kinds_of(ours: int, theirs: int, differing: Sequence[str], *, hour_is_there: bool) -> list[Kind]:
    """In which ways a row differs, given how often each table has it and which columns of the newest copy differ."""
    if not ours:
        return ["surplus"]
    if not theirs:
        return ["missing" if hour_is_there else "missing hour"]
    kinds = ["doubled"] if theirs > ours else ["missing"] if theirs < ours else []
    if any(c in WEARER for c in differing):
        kinds.append("other wearer")
    if any(c in NAMES for c in differing):
        kinds.append("other names")
    if any(c not in WEARER and c not in NAMES for c in differing):
        kinds.append("other numbers")
    return kinds


def common_columns(clickhouse: ClickHouse, other: str) -> dict[str, str]:
    """Columns that both tables have, and their types in the mart; without those that don't count.

    Raises:
        PlatformError: There is no such table, or it lacks columns of the reports' contract.
    """
    if not re.fullmatch(r"[A-Za-z_]\w*\.[A-Za-z_]\w*", other):
        raise PlatformError(f"{other!r} isn't the name of a table: give it as database.table.")
    if other == MART:
        raise PlatformError(f"{MART} is the mart itself; name the table to compare it with.")
    mart, theirs = _columns(clickhouse, MART), _columns(clickhouse, other)
    if not theirs:
        raise PlatformError(f"{clickhouse.place} has no table {other}, or its user may not see it.")
    # The thirteen columns of the contract lead.
    missing = [name for name in list(mart)[:13] if name not in theirs]
    if missing:
        raise PlatformError(f"{other} lacks {', '.join(missing)}, and can't be compared with {MART}.")
    return {name: kind for name, kind in mart.items() if name in theirs and name not in (*KEY, *IGNORED)}


def days_of(clickhouse: ClickHouse, other: str) -> tuple[date, date] | None:
    """The first and the last day that one of the tables has; None if both are empty."""
    both = f"SELECT report_date AS day FROM {MART} UNION ALL SELECT report_date FROM {other}"  # noqa: S608 - checked names
    _, rows = clickhouse.rows(f"SELECT min(day), max(day), count() FROM ({both})")  # noqa: S608
    first, last, count = rows[0]
    return (first, last) if count else None


def day_query(other: str, columns: dict[str, str]) -> str:
    """The query of one day: a row per chip and hour of either table, with what differs.

    Of several copies in the other table, the one that was produced last counts.
    """
    differs = ", ".join(
        f"if({_differ(f'ours.v.{i}', f'theirs.v.{i}', kind)}, '{name}', '')"
        for i, (name, kind) in enumerate(columns.items(), start=1)
    )
    values = f"tuple({', '.join(columns)})"
    whole = ", ".join(
        f"round(toFloat64({n}), 1)" if t.startswith("Float") else f"toString({n})" for n, t in columns.items()
    )
    count = f"SELECT report_hour, chip_id, count() AS n, groupUniqArray(tuple({whole})) AS every"
    # Names of tables and columns are checked before; values are parameters.
    return f"""
        WITH ours AS (
            {count}, any({values}) AS v
            FROM {MART} WHERE report_date = {{day:Date}} GROUP BY report_hour, chip_id
        ), theirs AS (
            {count}, argMax({values}, {STAMP}) AS v
            FROM {other} WHERE report_date = {{day:Date}} GROUP BY report_hour, chip_id
        ), set_aside AS (
            SELECT toHour(hour_start, {{zone:String}}) AS report_hour, chip_id, any(reason) AS reason
            FROM quarantine.rejected_telemetry
            WHERE hour_start >= toDateTime({{day:Date}}, 'UTC') - 86400
              AND hour_start < toDateTime({{day:Date}}, 'UTC') + 2 * 86400
              AND toDate(hour_start, {{zone:String}}) = {{day:Date}}
            GROUP BY report_hour, chip_id
        )
        SELECT report_hour, chip_id, ours.n AS our_count, theirs.n AS their_count,
               multiIf(our_count = 0 OR their_count = 0, [],
                       our_count > 1, if(hasAll(theirs.every, ours.every), [], ['repeated hour']),
                       arrayFilter(c -> c != '', [{differs}])) AS differing,
               reason
        FROM ours FULL JOIN theirs USING (report_hour, chip_id) LEFT JOIN set_aside USING (report_hour, chip_id)
        ORDER BY report_hour, chip_id"""  # noqa: S608


def _columns(clickhouse: ClickHouse, table: str) -> dict[str, str]:
    database, _, name = table.partition(".")
    return {column: kind for column, kind, _ in clickhouse.schema_of(database, name).columns}


def _differ(ours: str, theirs: str, kind: str) -> str:
    if kind.startswith("Float"):
        # A distance to NaN is NaN, which is above nothing; to NULL it is NULL; between two infinities it is NaN, too.
        # So what is asked is whether the two are near, and what isn't, differs; but like is like on both sides.
        near = f"abs(toFloat64({ours}) - toFloat64({theirs})) <= {{tolerance:Float64}}"
        return f"NOT (ifNull({near}, 0) OR toString({ours}) <=> toString({theirs}))"
    return f"toString({ours}) != ifNull(toString({theirs}), '\\0')"
