"""Publication: rows are written unseen, audited, and become visible by one row an hour in the journal."""

import secrets
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO

import polars as pl
import pyarrow as pa
import tenacity

from bionicpro_assets.errors import DataError, PlatformError, PublicationError
from bionicpro_assets.frames import HourlyFrame
from bionicpro_assets.hours import HOUR, describe
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.fit import fit
from bionicpro_assets.load.table import JOURNAL, HourlyTable

# Rows are dropped by TTL after this; an hour older than it would be published and vanish.
RETENTION = timedelta(days=365)
ATTEMPTS = 5
RETRY_SECONDS = 60.0
# A source clock may run this far ahead of the machine that publishes.
CLOCK_TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Publication:
    """What one publication did.

    Attributes:
        number: Its number, in the journal and on its rows.
        rows: Rows written.
        size: Bytes of the frame in memory, as Arrow.
        rows_per_hour: Rows of every hour, empty hours included.
        superseded: Hours of which a newer read was already published; that one stays visible.
    """

    number: int
    rows: int
    size: int
    rows_per_hour: Mapping[datetime, int]
    superseded: list[datetime]


def publish(
    clickhouse: ClickHouse, name: str, frame: HourlyFrame, *, run_id: str, batch_size: int, attempts: int = ATTEMPTS
) -> Publication:
    """Make `frame` the content of its hours in the table `name`, all at once or not at all.

    Nothing is visible before the last step, one INSERT of one block. A failure at any point leaves the hours as
    they were. Where it may pass (a broken connection, a server short of memory), the whole publication is tried
    again, with growing pauses and for a minute at most; each attempt is a publication of its own, under its own
    number, so that a write whose answer was lost can't double anything.

    Args:
        clickhouse: Where to.
        name: The public name, `database.table`.
        frame: The rows of every hour it covers; an hour without rows becomes an empty hour.
        run_id: Goes into the journal.
        batch_size: Rows in one Arrow batch on the way.
        attempts: How often to try.

    Raises:
        DataError: The rows don't fit the table, or lie outside the hours covered or the retention.
        PublicationError: ClickHouse stored something else than was sent.
        ClickHouseError: ClickHouse can't be reached or refuses.
    """
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda e: isinstance(e, PlatformError) and e.retryable),
        wait=tenacity.wait_exponential_jitter(initial=0.5, max=10),
        stop=tenacity.stop_after_attempt(attempts) | tenacity.stop_after_delay(RETRY_SECONDS),
        reraise=True,
    )
    return retrying(_publish_once, clickhouse, name, frame, run_id, batch_size)


def _publish_once(clickhouse: ClickHouse, name: str, frame: HourlyFrame, run_id: str, batch_size: int) -> Publication:
    started_at = datetime.now(UTC)
    table = HourlyTable.of(clickhouse, name)
    rows = fit(frame.rows, table.columns, name)
    _refuse_misplaced(frame, rows, name, started_at)
    number = new_publication_number()
    if not rows.is_empty():
        stamped = rows.with_columns(pl.lit(number, dtype=pl.UInt64).alias("publication"))
        clickhouse.insert_arrow_stream(table.storage, arrow_stream(stamped, batch_size))
    checksums = _audit(clickhouse, table, number, rows, frame)
    counts = frame.rows_per_hour()
    clickhouse.insert_rows(
        JOURNAL,
        [
            "table_name",
            "hour_start",
            "publication",
            "source_read_at",
            "started_at",
            "row_count",
            "checksum",
            "run_id",
        ],
        [
            (
                name,
                hour,
                number,
                frame.read_at[hour],
                started_at,
                counts[hour],
                checksums.get(hour, 0),
                run_id,
            )
            for hour in frame.hours
        ],
    )
    current = table.current(clickhouse, frame.hours[0], frame.hours[-1] + HOUR)
    superseded = [hour for hour in frame.hours if current[hour].number != number]
    return Publication(number, rows.height, int(rows.estimated_size()), counts, superseded)


def new_publication_number() -> int:
    """A number no other attempt has: 42 bits of the clock in ms, so that numbers sort by time, 22 of chance.

    The order that decides which publication is visible is the source's read instant, never this number.
    """
    return (time.time_ns() // 1_000_000) << 22 | secrets.randbits(22)


def arrow_stream(rows: pl.DataFrame, batch_size: int) -> Generator[bytes, None, None]:
    """The frame in Arrow's streaming format, a chunk per batch of at most `batch_size` rows."""
    sink = BytesIO()
    # Without view types: ClickHouse's reader takes plain strings faster (1.0 s once, 0.3 s after, for 300,000 rows).
    table = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
    with pa.ipc.new_stream(sink, table.schema) as writer:
        for batch in table.to_batches(max_chunksize=batch_size):
            writer.write_batch(batch)
            yield sink.getvalue()
            sink.seek(0)
            sink.truncate()
    yield sink.getvalue()


def _refuse_misplaced(frame: HourlyFrame, rows: pl.DataFrame, name: str, now: datetime) -> None:
    if not frame.hours:
        raise DataError(f"{name}: there are no hours to publish.")
    stray = rows.filter(~pl.col("hour_start").is_in(frame.hours))
    if not stray.is_empty():
        found = describe(stray["hour_start"].unique())
        raise DataError(
            f"{name}: {stray.height} rows are of {found}, outside {describe(frame.hours)}; nothing was published."
        )
    if frame.hours[0] < now - RETENTION:
        raise DataError(
            f"{name}: {frame.hours[0]:%Y-%m-%d %H:%M} UTC is older than the {RETENTION.days} days that rows are kept; "
            "nothing was published."
        )
    ahead = max(frame.read_at.values()) - now
    if ahead > CLOCK_TOLERANCE:
        raise DataError(
            f"{name}: the source's clock is {ahead} ahead of this machine's. Publications are ordered by it, so this "
            "one would hide all that follow until then; nothing was published. Set the clocks right."
        )


def _audit(
    clickhouse: ClickHouse, table: HourlyTable, number: int, sent: pl.DataFrame, frame: HourlyFrame
) -> dict[datetime, int]:
    """Compare what is stored under the number with what was sent; ClickHouse's own checksum of every hour.

    Count and checksum of an hour are computed here, twice, by the same function: on the rows sent, and on the
    rows read back.
    """
    if sent.is_empty():
        return {}
    stored = table.read(clickhouse, [(hour, number) for hour in frame.hours])
    expected, found = _fingerprints(sent), _fingerprints(stored)
    different = [h for h in frame.hours if expected.get(h) != found.get(h)]
    if different:
        raise PublicationError(
            f"{clickhouse.place}: {table.storage} gave back other rows than were sent, in {describe(different)}: "
            f"{sent.height} rows sent, {stored.height} read back. Nothing was made visible."
        )
    return table.checksums(clickhouse, number, frame.hours)


def _fingerprints(rows: pl.DataFrame) -> dict[datetime, tuple[int, int]]:
    """Per hour: row count, and the wrapping sum of the rows' hashes, which doesn't depend on their order."""
    hashed = rows.select("hour_start", hash=rows.hash_rows(seed=0))
    per_hour = hashed.group_by("hour_start").agg(pl.len(), pl.col("hash").sum())
    return {hour: (count, total) for hour, count, total in per_hour.iter_rows()}
