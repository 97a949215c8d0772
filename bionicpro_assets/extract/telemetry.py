"""Extract of the telemetry database: rolled-up hours, and the roll-up itself."""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import polars as pl

from bionicpro_assets.extract.connect import transaction
from bionicpro_assets.extract.contract import HOURLY_TELEMETRY
from bionicpro_assets.extract.known_view import table_may_be_read
from bionicpro_assets.extract.parallel import in_order
from bionicpro_assets.extract.postgres import PostgresSource, Snapshot
from bionicpro_assets.frames import HourlyFrame
from bionicpro_assets.hours import contiguous
from bionicpro_assets.sqlfiles import sql, with_instants
from bionicpro_assets.transform.validate import with_source_fault

if TYPE_CHECKING:
    from psycopg2.extensions import connection as PgConnection


# Connections that read a window of several parts at the same time. Averages are rounded row by row, on one processor a
# connection: with two, the server prepares one part while the other is on its way.
READERS = 2
# One transaction of the roll-up; a little longer than the server allows for it.
_limited = partial(transaction, limits="limits", seconds=660.0)


def extract_hourly_telemetry(source: PostgresSource, hours: Sequence[datetime]) -> HourlyFrame:
    """The rolled-up telemetry of contiguous hours: one row per chip and hour, in one read.

    The rows are those of `telemetry.v_hourly_telemetry`, without its report_date and report_hour, which follow
    the session's time zone. Where the table under the view may be read, and gives the same, it is.

    Raises:
        SourceError: The database can't be read, or the view isn't what the data contract says.
    """
    with source.snapshot() as snapshot:
        HOURLY_TELEMETRY.check(snapshot)
        return HourlyFrame(_read(snapshot, hours, hourly_query(snapshot)), dict.fromkeys(hours, snapshot.read_at))


def read_parts(snapshot: Snapshot, parts: Sequence[Sequence[datetime]]) -> Generator[pl.DataFrame]:
    """The rolled-up telemetry of each part, in order: hours that follow one another.

    Raises:
        SourceError: As above.
    """
    with (
        snapshot.readers(min(READERS, len(parts))) as readers,
        # Closed before the connections are.
        closing(in_order(readers, partial(_read, query=hourly_query(snapshot)), parts)) as found,
    ):
        yield from found


def hourly_query(snapshot: Snapshot) -> str:
    """The cheapest query, of `:since` and `:until`, that gives the view's rows to the last bit."""
    name = "hourly_telemetry_from_table" if table_may_be_read(snapshot) else "hourly_telemetry"
    return sql(f"telemetry/queries/{name}.sql")


def _read(snapshot: Snapshot, hours: Sequence[datetime], query: str) -> pl.DataFrame:
    since, until = contiguous(hours)
    rows = snapshot.read(with_instants(query, since=since, until=until))
    return with_source_fault(rows)


@dataclass(frozen=True, slots=True)
class RollUp:
    """What a roll-up did.

    Attributes:
        began_at: When it began, by the database's clock: raw rows that were there by then are in it.
        written: Rows written or changed, per hour.
        outside: Raw rows of days without a partition, counted up to 100,000; they are rolled up like all others.
            0 where raw_telemetry isn't partitioned.
        upkeep_problem: Why partitions could be neither made nor detached, in words; empty if nothing was wrong.
    """

    began_at: datetime
    written: dict[datetime, int]
    outside: int = 0
    upkeep_problem: str = ""


def roll_up(source: PostgresSource, hours: Sequence[datetime]) -> RollUp:
    """Roll raw telemetry up, hour by hour, inside PostgreSQL.

    Each hour is a transaction of its own, so that a failure keeps the hours done, and two roll-ups of
    overlapping windows never wait for each other in a circle. Before the hours, the partitions of raw_telemetry are
    looked after, where the database has the function for it; a problem with them doesn't keep hours from being done.

    Raises:
        SourceError: The database can't be reached, or has no function `telemetry.aggregate_hourly_stats`.
    """
    with source.writer() as connection:
        began_at, outside, problem = _keep_partitions(source, connection)
        written = {}
        for hour in hours:
            with _limited(connection) as (cursor, _):
                cursor.execute(with_instants(sql("telemetry/queries/aggregate_hour.sql"), hour=hour))
                (written[hour],) = cursor.fetchone() or (0,)
        return RollUp(began_at.astimezone(UTC), written, outside, problem)


def _keep_partitions(source: PostgresSource, connection: "PgConnection") -> tuple[datetime, int, str]:
    """When the roll-up began, rows outside the partitions, and what went wrong with these."""
    import psycopg2

    with _limited(connection) as (cursor, began_at):
        cursor.execute(sql("telemetry/queries/has_raw_partitions.sql"))
        if cursor.fetchone() != (True,):
            return began_at, 0, ""
    try:
        with _limited(connection) as (cursor, _):
            cursor.execute(sql("telemetry/queries/keep_raw_partitions.sql"))
            _made, _detached, outside = cursor.fetchone() or (0, 0, 0)
        warnings = [text.removeprefix("WARNING:") for text in connection.notices if text.startswith("WARNING:")]
        return began_at, outside, " ".join("".join(warnings).split())
    except psycopg2.OperationalError:
        # The server is going, or short of something: the hours would say the same.
        raise
    except psycopg2.Error as error:
        return began_at, 0, str(source.explained(error))
