"""A table that is published by the hour: its storage, its columns, its journal."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Self

import polars as pl

from bionicpro_assets.errors import ClickHouseError, DataError
from bionicpro_assets.frames import HourlyFrame
from bionicpro_assets.hours import HOUR, describe
from bionicpro_assets.load.checksum import checksum_sql, checksums
from bionicpro_assets.load.clickhouse import INIT_HINT, ClickHouse
from bionicpro_assets.load.cluster import EVERYWHERE
from bionicpro_assets.load.columns import BOOKKEEPING, Column, own_columns
from bionicpro_assets.sqlfiles import sql

STORAGE = "storage"
JOURNAL = f"{STORAGE}.publications"
# The first and the last instant of a DateTime of ClickHouse.
EPOCH, END_OF_TIME = datetime(1970, 1, 1, tzinfo=UTC), datetime(2106, 2, 7, 6, 28, 15, tzinfo=UTC)

# Rows of the publications named by two parallel arrays, one publication an hour. The zone must be the column's:
# ClickHouse prunes partitions by the month that a constant has in its own zone, and on a server that isn't in UTC
# it would lose the hours around the end of a month.
PINNED = """(hour_start, publication) IN (
    SELECT toDateTime(hour, 'UTC'), number
    FROM (SELECT {{{prefix}hours:Array(UInt32)}} AS hour, {{{prefix}numbers:Array(UInt64)}} AS number)
    ARRAY JOIN hour, number)"""

# Rows of the publications that are visible, as the public views have them, in the hours from `first` to `last`.
VISIBLE = """(hour_start, publication) IN (
    SELECT hour_start, argMax(publication, (source_read_at, started_at, publication)) FROM storage.publications
    WHERE table_name = '{name}'
      AND hour_start BETWEEN toDateTime({{first:UInt32}}, 'UTC') AND toDateTime({{last:UInt32}}, 'UTC')
    GROUP BY hour_start)"""

# Local dates and hours that are asked for, where the view has no UTC hour.
LOCAL_HOURS = """(report_date, report_hour) IN (
    SELECT day, hour FROM (SELECT {days:Array(Date)} AS day, {at:Array(UInt8)} AS hour) ARRAY JOIN day, hour)"""

# What readers tell hours apart by: a UTC hour, in Unix seconds, or a local date and hour.
ReadersHour = Any
NO_ROWS = pl.DataFrame()
# Row count and checksum of what readers get, by that.
Answers = dict[ReadersHour, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Entry:
    """The journal's entry for one hour of one table; the fields are those of `storage.publications`."""

    number: int
    source_read_at: datetime
    row_count: int
    checksum: int
    run_id: str
    content: int = 0
    accounting: int = 0
    made_of: str = ""
    compared_at: datetime = EPOCH
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, found: Sequence[Any]) -> Self:
        """An entry as `current_publications.sql` gives it."""
        number, read_at, row_count, checksum, run_id, content, accounting, made_of, compared_at, facts = found
        return cls(
            number, _instant(read_at), row_count, checksum, run_id, content, accounting, made_of,
            _instant(compared_at), json.loads(facts or "{}"),
        )  # fmt: skip


def current_entries(
    clickhouse: ClickHouse, names: Iterable[str], since: datetime, until: datetime
) -> dict[str, dict[datetime, Entry]]:
    """Of every hour in [since, until) that was ever published in the tables of these names, what is visible now."""
    names = list(names)
    _, rows = clickhouse.rows(
        sql("clickhouse/queries/current_publications.sql"),
        {"tables": names, "since": seconds_of(since), "until": seconds_of(until)},
    )
    found: dict[str, dict[datetime, Entry]] = {name: {} for name in names}
    for name, seconds, entry in rows:
        found[name][hour_of(seconds)] = Entry.parse(entry)
    return found


def rows_in_tables(clickhouse: ClickHouse, names: Sequence[str]) -> dict[str, int]:
    """Visible rows of all hours that are kept, by the journal, of the tables of these names."""
    _, rows = clickhouse.rows(sql("clickhouse/queries/rows_in_tables.sql"), {"tables": list(names)})
    return dict.fromkeys(names, 0) | {name: int(count) for name, count in rows}


@dataclass(frozen=True)
class HourlyTable:
    """A public view `database.table` over `storage.table`.

    Attributes:
        name: The public name.
        columns: The columns that its file in `sql/` gives the storage table, without its bookkeeping, in order.
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
        stored, public = clickhouse.schema_of(STORAGE, table).columns, clickhouse.schema_of(database, table).columns
        if not stored or not public:
            raise ClickHouseError(f"{clickhouse.place} has no table for {name}. {INIT_HINT}")
        # An administrator may have added others; nothing here writes or reads them.
        own = own_columns(table) - {*BOOKKEEPING}
        columns = [Column.parse(*row) for row in stored if row[0] in own]
        return cls(name, columns, [row[0] for row in public])

    @property
    def storage(self) -> str:
        """The storage table."""
        return f"{STORAGE}.{self.name.partition('.')[2]}"

    @cached_property
    def summed_columns(self) -> list[Column]:
        """The columns that the checksum is over: those that readers get."""
        return [column for column in self.columns if column.name in self.public_columns]

    @cached_property
    def checksum(self) -> str:
        """The checksum as SQL, of the storage and of the view alike."""
        return checksum_sql(self.summed_columns)

    @property
    def readers_hour(self) -> str:
        """What readers tell hours apart by, as SQL."""
        by_hour = "hour_start" in self.public_columns
        return "toUnixTimestamp(hour_start)" if by_hour else "(report_date, report_hour)"

    def current(self, clickhouse: ClickHouse, since: datetime, until: datetime) -> dict[datetime, Entry]:
        """Of every hour in [since, until) that was ever published, the publication that is visible now."""
        return current_entries(clickhouse, [self.name], since, until)[self.name]

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
            DataError: An hour was never published: it is missing, which isn't the same as empty. Or there is no column
                of a name.
        """
        current = self.current(clickhouse, min(hours), max(hours) + HOUR) if hours else {}
        missing = [hour for hour in hours if hour not in current]
        known = [column.name for column in self.columns]
        if unknown := sorted(set(columns or ()) - set(known)):
            raise DataError(f"{self.name} has no column {', '.join(unknown)}. It has {', '.join(known)}.")
        if missing:
            raise DataError(
                f"{self.name} was never loaded for {describe(missing)}; materialise it for these hours first."
            )
        asked = None if columns is None else {"hour_start", *columns}
        names = [name for name in known if asked is None or name in asked]
        return Published(clickhouse, self, {hour: current[hour] for hour in hours}, names)

    def read(
        self, clickhouse: ClickHouse, publications: Mapping[datetime, int], columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """The stored rows of these publications, by hour, visible or not, in the table's own types."""
        asked = [c for c in self.columns if columns is None or c.name in columns]
        rows, parameters = self.pinned(publications)
        frame = clickhouse.frame(f"SELECT {', '.join(map(_as_arrow, asked))} FROM {rows}", parameters)  # noqa: S608 - own names
        return frame.select(pl.col(c.name).cast(c.dtype) for c in asked)

    def visible(self, clickhouse: ClickHouse, where: str, parameters: Mapping[str, Any]) -> pl.DataFrame:
        """The rows that readers see and a condition picks, in the table's own types."""
        columns = ", ".join(map(_as_arrow, self.columns))
        frame = clickhouse.frame(f"SELECT {columns} FROM {self.name} WHERE {where}", parameters)  # noqa: S608 - own names
        return frame.select(pl.col(c.name).cast(c.dtype) for c in self.columns)

    def no_rows(self) -> pl.DataFrame:
        """A frame without rows, in the table's own types."""
        return pl.DataFrame(schema={column.name: column.dtype for column in self.columns})

    def stored_counts(self, clickhouse: ClickHouse, publications: Mapping[datetime, int]) -> dict[datetime, int]:
        """How many rows of these publications are stored; only two narrow columns are read."""
        rows, parameters = self.pinned(publications, columns=["hour_start"])
        query = f"SELECT toUnixTimestamp(hour_start) AS hour_seconds, count() FROM {rows} GROUP BY hour_seconds"  # noqa: S608 - own names
        found = {hour_of(seconds): count for seconds, count in clickhouse.rows(query, parameters)[1]}
        return {hour: found.get(hour, 0) for hour in publications}

    def checksums_everywhere(
        self, clickhouse: ClickHouse, publications: Mapping[datetime, int]
    ) -> dict[datetime, tuple[int, int]]:
        """Rows and checksum of every hour that has any, over all replicas of all shards of the cluster."""
        rows, parameters = self.pinned(publications, storage=f"{self.storage}{EVERYWHERE}")
        query = f"SELECT toUnixTimestamp(hour_start), count(), {self.checksum} FROM {rows} GROUP BY hour_start"  # noqa: S608 - own names
        return {
            hour_of(seconds): (count, checksum) for seconds, count, checksum in clickhouse.rows(query, parameters)[1]
        }

    def stored_answers(self, clickhouse: ClickHouse, publications: Mapping[datetime, int]) -> Answers:
        """What readers would get of these publications, by the rows that are stored."""
        rows, parameters = self.pinned(publications)
        return self._answers(clickhouse, rows, parameters)

    def answers(self, clickhouse: ClickHouse, hours: Sequence[datetime], keys: Iterable[ReadersHour]) -> Answers:
        """What readers get of the hours, asked by the public name.

        Args:
            clickhouse: Where.
            hours: The hours.
            keys: What readers tell these hours apart by, of all their rows.
        """
        parameters: dict[str, Any] = {"first": seconds_of(min(hours)), "last": seconds_of(max(hours))}
        asked = sorted(keys)
        if "hour_start" in self.public_columns:
            where, parameters["asked"] = "has({asked:Array(UInt32)}, toUnixTimestamp(hour_start))", asked
        else:
            where = LOCAL_HOURS
            parameters |= {"days": [day for day, _ in asked], "at": [hour for _, hour in asked]}
        return self._answers(clickhouse, f"{self.name} WHERE {self._partitions()} AND {where}", parameters)

    def pinned(
        self,
        publications: Mapping[datetime, int],
        *,
        prefix: str = "",
        columns: Sequence[str] | None = None,
        storage: str = "",
    ) -> tuple[str, dict[str, Any]]:
        """SQL of the stored rows of some publications, one an hour, and its parameters.

        Args:
            publications: Their numbers, by hour; there is at least one.
            prefix: Of the names of the parameters, where a statement has several such relations.
            columns: The columns it has; those of the table, with `hour_start`, by default.
            storage: Where the rows are, if not in this server's storage table.
        """
        names = ", ".join(columns or (c.name for c in self.columns))
        hours = [seconds_of(hour) for hour in publications]
        parameters = {"hours": hours, "numbers": list(publications.values()), "first": min(hours), "last": max(hours)}
        where = f"{self._partitions(prefix)} AND {PINNED.format(prefix=prefix)}"
        text = f"(SELECT {names} FROM {storage or self.storage} WHERE {where})"  # noqa: S608 - own names
        return text, {f"{prefix}{name}": value for name, value in parameters.items()}

    def relation(self, hours: Sequence[datetime]) -> tuple[str, dict[str, Any]]:
        """SQL of the visible rows of contiguous hours, with `hour_start`, and its parameters."""
        columns = ", ".join(c.name for c in self.columns)
        text = f"(SELECT {columns} FROM {self.storage} WHERE {self._partitions()} AND {VISIBLE.format(name=self.name)})"  # noqa: S608 - own names
        return text, {"first": seconds_of(min(hours)), "last": seconds_of(max(hours))}

    def _answers(self, clickhouse: ClickHouse, rows: str, parameters: Mapping[str, Any]) -> Answers:
        query = (
            f"SELECT {self.readers_hour} AS readers_hour, count(), {self.checksum} FROM {rows} GROUP BY readers_hour"  # noqa: S608 - own names
        )
        return {key: (count, checksum) for key, count, checksum in clickhouse.rows(query, parameters)[1]}

    def _partitions(self, prefix: str = "") -> str:
        """A condition that ClickHouse prunes partitions by. A zone's date is at most a day from UTC's."""
        first, last = (f"toDateTime({{{prefix}{name}:UInt32}}, 'UTC')" for name in ("first", "last"))
        if any(c.name == "report_date" for c in self.columns):
            return f"report_date BETWEEN toDate({first}) - 1 AND toDate({last}) + 1"
        return f"hour_start BETWEEN {first} AND {last}"


@dataclass(frozen=True, slots=True)
class Published:
    """Hours of a table as they were visible at one moment.

    What is read is of the publications that were visible then, whatever is published meanwhile.

    Attributes:
        entries: The journal's entry for each hour.
        columns: Names of the columns that are read, `hour_start` among them, in the table's order.
        in_memory: Rows of hours that this process has just written, by the number of their publication.
    """

    clickhouse: ClickHouse
    table: HourlyTable
    entries: Mapping[datetime, Entry]
    columns: Sequence[str]
    in_memory: Mapping[tuple[datetime, int], pl.DataFrame] = field(default_factory=dict)

    @property
    def numbers(self) -> dict[datetime, int]:
        """The publication of each hour."""
        return {hour: entry.number for hour, entry in self.entries.items()}

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
        keys = [(hour, self.entries[hour].number) for hour in hours]
        # Another reader's columns may be others than those that were handed over.
        handed = {k: rows for k in keys if {*self.columns} <= {*(rows := self.in_memory.get(k, NO_ROWS)).columns}}
        kept = [rows.select(self.columns) for rows in handed.values()]
        absent = {hour: number for hour, number in keys if (hour, number) not in handed}
        altered: list[datetime] = []
        if absent:
            kept.append(self.table.read(self.clickhouse, absent, self.columns))
            if len(self.columns) == len(self.table.columns):
                # Of some columns alone there is no checksum to compare with.
                found = checksums(kept[-1], self.table.summed_columns)
                altered = [h for h in absent if h in found and found[h].checksum != self.entries[h].checksum]
        frame = HourlyFrame(
            pl.concat(kept) if kept else self.table.no_rows().select(self.columns),
            {hour: self.entries[hour].source_read_at for hour in hours},
        )
        counts = frame.rows_per_hour()
        incomplete = [hour for hour in hours if counts[hour] != self.entries[hour].row_count or hour in altered]
        if incomplete:
            published = sum(self.entries[hour].row_count for hour in hours)
            raise DataError(
                f"{self.table.storage} has other rows than were published for {describe(incomplete)}: "
                f"{frame.rows.height} in all hours, the journal says {published}. Load {self.table.name} again."
            )
        return frame


def hour_of(seconds: int) -> datetime:
    """The hour that begins at these Unix seconds."""
    return datetime.fromtimestamp(seconds, UTC)


def seconds_of(hour: datetime) -> int:
    """Unix seconds of an hour."""
    return int(hour.timestamp())


def _instant(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)


def _as_arrow(column: Column) -> str:
    # Without the cast, ClickHouse writes a DateTime into Arrow as a bare number.
    if column.base == "DateTime":
        return f"CAST({column.name} AS DateTime64(6, 'UTC')) AS {column.name}"
    return column.name
