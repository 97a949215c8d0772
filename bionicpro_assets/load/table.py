"""A table that is published by the hour: its storage, its columns, its journal."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

import polars as pl

from bionicpro_assets.errors import ClickHouseError, DataError
from bionicpro_assets.frames import HourlyFrame
from bionicpro_assets.hours import HOUR, describe
from bionicpro_assets.load.clickhouse import INIT_HINT, ClickHouse
from bionicpro_assets.load.columns import Column
from bionicpro_assets.sqlfiles import sql

STORAGE = "storage"
JOURNAL = f"{STORAGE}.publications"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Current:
    """The publication that is visible for one hour."""

    number: int
    source_read_at: datetime
    row_count: int
    checksum: int
    run_id: str


@dataclass(frozen=True, slots=True)
class HourlyTable:
    """A public view `database.table` over `storage.table`.

    Attributes:
        name: The public name.
        columns: The storage table's columns but `publication`, in order.
    """

    name: str
    columns: Sequence[Column]

    @classmethod
    def of(cls, clickhouse: ClickHouse, name: str) -> Self:
        """The table of that name, with its columns as ClickHouse has them.

        Raises:
            ClickHouseError: There is no such table.
        """
        _, rows = clickhouse.rows(
            sql("clickhouse/queries/columns.sql"), {"database": STORAGE, "table": name.partition(".")[2]}
        )
        if not rows:
            raise ClickHouseError(f"{clickhouse.place} has no table for {name}. {INIT_HINT}")
        return cls(name, [Column.parse(*row) for row in rows if row[0] != "publication"])

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

    def load(self, clickhouse: ClickHouse, hours: Sequence[datetime]) -> HourlyFrame:
        """The visible rows of the hours.

        Raises:
            DataError: An hour was never published: it is missing, which isn't the same as empty. Or ClickHouse no
                longer has all the rows that were published.
        """
        current = self.current(clickhouse, min(hours), max(hours) + HOUR)
        missing = [hour for hour in hours if hour not in current]
        if missing:
            raise DataError(
                f"{self.name} was never loaded for {describe(missing)}; materialise it for these hours first."
            )
        rows = self.read(clickhouse, [(hour, current[hour].number) for hour in hours])
        frame = HourlyFrame(rows, {hour: current[hour].source_read_at for hour in hours})
        counts = frame.rows_per_hour()
        incomplete = [hour for hour in hours if counts[hour] != current[hour].row_count]
        if incomplete:
            raise DataError(
                f"{self.storage} has other rows than were published for {describe(incomplete)}: {rows.height} in all "
                f"hours, the journal says {sum(c.row_count for c in current.values())}. Load {self.name} again."
            )
        return frame

    def read(self, clickhouse: ClickHouse, publications: Sequence[tuple[datetime, int]]) -> pl.DataFrame:
        """The stored rows of these publications, visible or not, in the table's own types."""
        hours = [hour for hour, _ in publications]
        columns = ", ".join(map(_as_arrow, self.columns))
        query = (
            f"SELECT {columns} FROM {self.storage} "  # noqa: S608
            f"WHERE {self._partitions()} AND (hour_start, publication) IN ("
            "SELECT fromUnixTimestamp(hour), number FROM "
            "(SELECT {hours:Array(UInt32)} AS hour, {numbers:Array(UInt64)} AS number) ARRAY JOIN hour, number)"
        )
        parameters = {
            "hours": [_seconds(hour) for hour in hours],
            "numbers": [number for _, number in publications],
            "first": _seconds(min(hours)),
            "last": _seconds(max(hours)),
        }
        frame = clickhouse.frame(query, parameters)
        return frame.select(pl.col(c.name).cast(c.dtype) for c in self.columns)

    def checksums(self, clickhouse: ClickHouse, number: int, hours: Sequence[datetime]) -> dict[datetime, int]:
        """ClickHouse's checksum of every hour of one publication: the sum of cityHash64 over all columns."""
        hashed = ", ".join(c.name for c in self.columns)
        # The tuple matters: a hash of several arguments is NULL as soon as one of them is, and a sum skips NULL.
        query = (
            f"SELECT toUnixTimestamp(hour_start), sum(cityHash64(tuple({hashed}))) "  # noqa: S608 - names from the table
            f"FROM {self.storage} WHERE {self._partitions()} AND publication = {{number:UInt64}} GROUP BY hour_start"
        )
        parameters = {"number": number, "first": _seconds(hours[0]), "last": _seconds(hours[-1])}
        _, rows = clickhouse.rows(query, parameters)
        return {datetime.fromtimestamp(seconds, UTC): checksum for seconds, checksum in rows}

    def _partitions(self) -> str:
        """A condition that ClickHouse prunes partitions by. A zone's date is at most a day from UTC's."""
        if any(c.name == "report_date" for c in self.columns):
            return (
                "report_date BETWEEN toDate(fromUnixTimestamp({first:UInt32}), 'UTC') - 1 "
                "AND toDate(fromUnixTimestamp({last:UInt32}), 'UTC') + 1"
            )
        return "hour_start BETWEEN fromUnixTimestamp({first:UInt32}) AND fromUnixTimestamp({last:UInt32})"


def _seconds(hour: datetime) -> int:
    return int(hour.timestamp())


def _as_arrow(column: Column) -> str:
    # Without the cast, ClickHouse writes a DateTime into Arrow as a bare number, and Date as UInt16 in some versions.
    if column.base == "DateTime":
        return f"CAST({column.name} AS DateTime64(6, 'UTC')) AS {column.name}"
    return column.name
