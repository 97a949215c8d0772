"""A table that is published by the hour: its storage, its columns, its journal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import polars as pl

from bionicpro_assets.errors import ClickHouseError, DataError
from bionicpro_assets.frames import HourlyFrame
from bionicpro_assets.hours import HOUR, describe
from bionicpro_assets.load.clickhouse import INIT_HINT, ClickHouse
from bionicpro_assets.load.cluster import LOCAL, quoted
from bionicpro_assets.load.columns import Column
from bionicpro_assets.sqlfiles import sql

STORAGE = "storage"
JOURNAL = f"{STORAGE}.publications"
BOOKKEEPING = ("publication", "written_at")
UINT64 = 2**64
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Rows of the publications named by two parallel arrays, one publication an hour. The zone must be the column's:
# ClickHouse prunes partitions by the month that a constant has in its own zone, and on a server that isn't in UTC
# it would lose the hours around the end of a month.
PINNED = """(hour_start, publication) IN (
    SELECT toDateTime(hour, 'UTC'), number
    FROM (SELECT {hours:Array(UInt32)} AS hour, {numbers:Array(UInt64)} AS number) ARRAY JOIN hour, number)"""

# Rows of the publications that are visible, as the public views have them, in the hours from `first` to `last`.
VISIBLE = """(hour_start, publication) IN (
    SELECT hour_start, argMax(publication, (source_read_at, started_at, publication)) FROM storage.publications
    WHERE table_name = '{name}'
      AND hour_start BETWEEN toDateTime({{first:UInt32}}, 'UTC') AND toDateTime({{last:UInt32}}, 'UTC')
    GROUP BY hour_start)"""


@dataclass(frozen=True, slots=True)
class Current:
    """The publication that is visible for one hour."""

    number: int
    source_read_at: datetime
    row_count: int
    checksum: int
    run_id: str
    sent_as: str = ""


@dataclass(frozen=True, slots=True)
class StoredTotals:
    """What is stored of some publications.

    Attributes:
        checksums: Of every hour that has rows, the sum of cityHash64 over all columns.
        visible: Row count and checksum of what readers can see, by what they tell hours apart by.
    """

    checksums: Mapping[datetime, int]
    visible: Mapping[tuple[Any, ...], tuple[int, int]]

    def __add__(self, other: "StoredTotals") -> "StoredTotals":
        """The totals of both; an hour is in one of them."""
        seen = dict(self.visible)
        for key, (count, total) in other.visible.items():
            counted, summed = seen.get(key, (0, 0))
            seen[key] = counted + count, (summed + total) % UINT64
        return StoredTotals({**self.checksums, **other.checksums}, seen)


@dataclass(frozen=True, slots=True)
class HourlyTable:
    """A public view `database.table` over `storage.table`.

    Attributes:
        name: The public name.
        columns: The storage table's columns without its bookkeeping, in order.
        public_columns: Names of the view's columns.
    """

    name: str
    columns: Sequence[Column]
    public_columns: Sequence[str]

    @classmethod
    def of(cls, clickhouse: ClickHouse, name: str) -> Self:
        """The table of that name, with its columns as ClickHouse has them.

        Raises:
            ClickHouseError: There is no such table.
        """
        database, _, table = name.partition(".")
        stored = _columns(clickhouse, STORAGE, table)
        public = _columns(clickhouse, database, table)
        if not stored or not public:
            raise ClickHouseError(f"{clickhouse.place} has no table for {name}. {INIT_HINT}")
        columns = [Column.parse(*row) for row in stored if row[0] not in BOOKKEEPING]
        return cls(name, columns, [row[0] for row in public])

    @property
    def storage(self) -> str:
        """The storage table."""
        return f"{STORAGE}.{self.name.partition('.')[2]}"

    def current(self, clickhouse: ClickHouse, since: datetime, until: datetime) -> dict[datetime, Current]:
        """Of every hour in [since, until) that was ever published, the publication that is visible now."""
        _, rows = clickhouse.rows(
            sql("clickhouse/queries/current_publications.sql"),
            {"table_name": self.name, "since": _seconds(since), "until": _seconds(until)},
        )
        return {
            datetime.fromtimestamp(seconds, UTC): Current(number, EPOCH + timedelta(microseconds=micros), *facts)
            for seconds, number, (micros, *facts) in rows
        }

    def row_count(self, clickhouse: ClickHouse) -> int:
        """Visible rows of all hours that are kept, by the journal."""
        _, rows = clickhouse.rows(sql("clickhouse/queries/freshness.sql"), {"table_name": self.name})
        return int(rows[0][3])

    def load(self, clickhouse: ClickHouse, hours: Sequence[datetime]) -> HourlyFrame:
        """The visible rows of the hours.

        Raises:
            DataError: An hour was never published: it is missing, which isn't the same as empty. Or ClickHouse no
                longer has all the rows that were published.
        """
        return self.published(clickhouse, hours).load(hours)

    def published(
        self, clickhouse: ClickHouse, hours: Sequence[datetime], columns: Sequence[str] | None = None
    ) -> "Published":
        """The hours as they are visible now, to be read in parts; all columns, or those named.

        Raises:
            DataError: An hour was never published: it is missing, which isn't the same as empty.
        """
        current = self.current(clickhouse, min(hours), max(hours) + HOUR)
        missing = [hour for hour in hours if hour not in current]
        if missing:
            raise DataError(
                f"{self.name} was never loaded for {describe(missing)}; materialise it for these hours first."
            )
        return Published(clickhouse, self, {hour: current[hour] for hour in hours}, columns)

    def read(
        self, clickhouse: ClickHouse, publications: Mapping[datetime, int], columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """The stored rows of these publications, by hour, visible or not, in the table's own types."""
        asked = [c for c in self.columns if columns is None or c.name in columns]
        selected = ", ".join(map(_as_arrow, asked))
        frame = clickhouse.frame(
            f"SELECT {selected} FROM {self.storage} WHERE {self._partitions()} AND {PINNED}",  # noqa: S608 - own names
            _pinned(publications),
        )
        return frame.select(pl.col(c.name).cast(c.dtype) for c in asked)

    def visible(self, clickhouse: ClickHouse, where: str, parameters: Mapping[str, Any]) -> pl.DataFrame:
        """The rows that readers see and a condition picks, in the table's own types."""
        columns = ", ".join(map(_as_arrow, self.columns))
        frame = clickhouse.frame(f"SELECT {columns} FROM {self.name} WHERE {where}", parameters)  # noqa: S608 - own names
        return frame.select(pl.col(c.name).cast(c.dtype) for c in self.columns)

    def stored_totals(self, clickhouse: ClickHouse, publications: Mapping[datetime, int]) -> StoredTotals:
        """What ClickHouse has stored of these publications, by count and checksum, in one pass."""
        by = self._readers_hour()
        _, rows = clickhouse.rows(
            f"SELECT toUnixTimestamp(hour_start), {_hash([c.name for c in self.columns])}, "  # noqa: S608 - own names
            f"{', '.join(by)}, count(), {_hash(self.public_columns)} FROM {self.storage} "
            f"WHERE {self._partitions()} AND {PINNED} GROUP BY hour_start, {', '.join(by)}",
            _pinned(publications),
        )
        checksums: dict[datetime, int] = {}
        seen: dict[tuple[Any, ...], tuple[int, int]] = {}
        for seconds, checksum, *key, count, visible in rows:
            hour = datetime.fromtimestamp(seconds, UTC)
            checksums[hour] = (checksums.get(hour, 0) + checksum) % UINT64
            # Two hours that readers can't tell apart, as when clocks are set back, are one to them.
            counted, summed = seen.get(tuple(key), (0, 0))
            seen[tuple(key)] = counted + count, (summed + visible) % UINT64
        return StoredTotals(checksums, seen)

    def checksums_everywhere(
        self, clickhouse: ClickHouse, publications: Mapping[datetime, int]
    ) -> dict[datetime, tuple[int, int]]:
        """Rows and checksum of every hour that has any, over all replicas of all shards of the cluster."""
        hashed = _hash([c.name for c in self.columns])
        _, rows = clickhouse.rows(
            f"SELECT toUnixTimestamp(hour_start), count(), {hashed} "  # noqa: S608 - own names
            f"FROM clusterAllReplicas({quoted(clickhouse.cluster or '')}, {self.storage}{LOCAL}) "
            f"WHERE {self._partitions()} AND {PINNED} GROUP BY hour_start",
            _pinned(publications),
        )
        return {datetime.fromtimestamp(seconds, UTC): (count, checksum) for seconds, count, checksum in rows}

    def answered_totals(
        self, clickhouse: ClickHouse, hours: Sequence[datetime]
    ) -> dict[tuple[Any, ...], tuple[int, int]]:
        """The same, asked by the public name. Grouped by hour, as the view has it."""
        where = asked = "has({hours:Array(UInt32)}, toUnixTimestamp(hour_start))"
        if "hour_start" not in self.public_columns:
            # The view has no UTC hour: its local date and hour are those that the storage has for these hours.
            local = f"SELECT report_date, report_hour FROM {self.storage} WHERE {self._partitions()} AND {asked}"  # noqa: S608
            where = f"{self._partitions()} AND (report_date, report_hour) IN ({local})"
        return self._totals(clickhouse, self.name, where, _pinned(dict.fromkeys(hours, 0)))

    def relation(
        self, hours: Sequence[datetime], publications: Mapping[datetime, int] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """SQL of the rows of contiguous hours, and its parameters: visible ones, or those of given publications.

        Beside what readers see it has `hour_start`.
        """
        columns = ", ".join(c.name for c in self.columns)
        picked = PINNED if publications else VISIBLE.format(name=self.name)
        window = {"first": _seconds(min(hours)), "last": _seconds(max(hours))}
        parameters = window | (_pinned(publications) if publications else {})
        text = f"(SELECT {columns} FROM {self.storage} WHERE {self._partitions()} AND {picked})"  # noqa: S608 - own names
        return text, parameters

    def _totals(
        self, clickhouse: ClickHouse, relation: str, where: str, parameters: Mapping[str, Any]
    ) -> dict[tuple[Any, ...], tuple[int, int]]:
        by = self._readers_hour()
        _, rows = clickhouse.rows(
            f"SELECT {', '.join(by)}, count(), {_hash(self.public_columns)} FROM {relation} "  # noqa: S608 - own names
            f"WHERE {where} GROUP BY {', '.join(by)}",
            parameters,
        )
        return {tuple(key): (count, checksum) for *key, count, checksum in rows}

    def _readers_hour(self) -> list[str]:
        """What readers tell hours apart by."""
        return (
            ["toUnixTimestamp(hour_start)"] if "hour_start" in self.public_columns else ["report_date", "report_hour"]
        )

    def _partitions(self) -> str:
        """A condition that ClickHouse prunes partitions by. A zone's date is at most a day from UTC's."""
        if any(c.name == "report_date" for c in self.columns):
            return (
                "report_date BETWEEN toDate(toDateTime({first:UInt32}, 'UTC')) - 1 "
                "AND toDate(toDateTime({last:UInt32}, 'UTC')) + 1"
            )
        return "hour_start BETWEEN toDateTime({first:UInt32}, 'UTC') AND toDateTime({last:UInt32}, 'UTC')"


@dataclass(frozen=True, slots=True)
class Published:
    """Hours of a table as they were visible at one moment.

    What is read is of the publications that were visible then, whatever is published meanwhile.

    Attributes:
        entries: The journal's entry for each hour.
        columns: The columns that are read; all, if None.
    """

    clickhouse: ClickHouse
    table: HourlyTable
    entries: Mapping[datetime, Current]
    columns: Sequence[str] | None = None

    @property
    def read_at(self) -> dict[datetime, datetime]:
        """When the source of each hour was read."""
        return {hour: entry.source_read_at for hour, entry in self.entries.items()}

    @property
    def row_counts(self) -> dict[datetime, int]:
        """How many rows each hour has, by the journal."""
        return {hour: entry.row_count for hour, entry in self.entries.items()}

    def load(self, hours: Sequence[datetime]) -> HourlyFrame:
        """The rows of some of the hours.

        Raises:
            DataError: ClickHouse no longer has all the rows that were published.
        """
        rows = self.table.read(self.clickhouse, {hour: self.entries[hour].number for hour in hours}, self.columns)
        frame = HourlyFrame(rows, {hour: self.entries[hour].source_read_at for hour in hours})
        counts = frame.rows_per_hour()
        incomplete = [hour for hour in hours if counts[hour] != self.entries[hour].row_count]
        if incomplete:
            published = sum(self.entries[hour].row_count for hour in hours)
            raise DataError(
                f"{self.table.storage} has other rows than were published for {describe(incomplete)}: {rows.height} in "
                f"all hours, the journal says {published}. Load {self.table.name} again."
            )
        return frame


def _columns(clickhouse: ClickHouse, database: str, table: str) -> Sequence[Sequence[Any]]:
    name = f"{database}.{table}"
    if not clickhouse.columns.get(name):
        _, found = clickhouse.rows(sql("clickhouse/queries/columns.sql"), {"database": database, "table": table})
        clickhouse.columns[name] = found
    return clickhouse.columns[name]


def _pinned(publications: Mapping[datetime, int]) -> dict[str, Any]:
    hours = [_seconds(hour) for hour in publications]
    return {"hours": hours, "numbers": list(publications.values()), "first": min(hours), "last": max(hours)}


def _hash(columns: Sequence[str]) -> str:
    # The tuple matters: a hash of several arguments is NULL as soon as one of them is, and a sum skips NULL.
    return f"sum(cityHash64(tuple({', '.join(columns)})))"


def _seconds(hour: datetime) -> int:
    return int(hour.timestamp())


def _as_arrow(column: Column) -> str:
    # Without the cast, ClickHouse writes a DateTime into Arrow as a bare number.
    if column.base == "DateTime":
        return f"CAST({column.name} AS DateTime64(6, 'UTC')) AS {column.name}"
    return column.name
