"""Publication: rows are written unseen, audited, and become visible by one row an hour in the journal."""

import secrets
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO

import polars as pl

from bionicpro_assets.errors import DataError, PlatformError, PublicationError
from bionicpro_assets.frames import HourlyFrame, HourlyStream
from bionicpro_assets.hours import HOUR, describe, floor_hour
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.cluster import check_layout, wait_for_every_replica
from bionicpro_assets.load.fingerprint import comparable, fingerprints, sent_as
from bionicpro_assets.load.fit import fit
from bionicpro_assets.load.parity import check_parity
from bionicpro_assets.load.table import JOURNAL, Current, HourlyTable, StoredTotals

# Rows are dropped by TTL after this; an hour older than it would be published and vanish.
RETENTION = timedelta(days=365)
# The mart drops days as a whole, and those of a zone behind UTC reach half a day further back.
LEAVING = timedelta(days=3)
ATTEMPTS = 5
RETRY_SECONDS = 60.0
HEAD_ROWS = 5
# A source clock may run this far ahead of the machine that publishes.
CLOCK_TOLERANCE = timedelta(minutes=5)
OF_THE_FUTURE = f"FROM {JOURNAL} WHERE source_read_at > now64(6) + 300"
LIST_THE_FUTURE = f"SELECT DISTINCT table_name, hour_start {OF_THE_FUTURE} ORDER BY ALL"
FORGET_THE_FUTURE = f"DELETE {OF_THE_FUTURE}"

JOURNAL_SCHEMA = pl.Schema(
    {
        "table_name": pl.String(),
        "hour_start": pl.Datetime("us", "UTC"),
        "publication": pl.UInt64(),
        "source_read_at": pl.Datetime("us", "UTC"),
        "started_at": pl.Datetime("us", "UTC"),
        "row_count": pl.UInt64(),
        "checksum": pl.UInt64(),
        "run_id": pl.String(),
        "sent_as": pl.String(),
    }
)

BeforeCommit = Callable[[Mapping[datetime, int]], None]


@dataclass(frozen=True, slots=True)
class Publication:
    """What one publication did.

    Attributes:
        number: Its number, in the journal and on its rows.
        rows: Rows of all its hours.
        size: Bytes of the frame in memory, as Arrow.
        rows_per_hour: Rows of every hour, empty hours included.
        unchanged: Hours that were there already just so; they were confirmed and not written again.
        superseded: Hours of which a newer read was already published; that one stays visible.
        read_at: When the source of each hour was read.
        head: A few of the rows, as they were given.
    """

    number: int
    rows: int
    size: int
    rows_per_hour: Mapping[datetime, int]
    unchanged: Sequence[datetime]
    superseded: Sequence[datetime]
    read_at: Mapping[datetime, datetime]
    head: pl.DataFrame


def publish(
    clickhouse: ClickHouse,
    name: str,
    rows: HourlyFrame | HourlyStream,
    *,
    run_id: str,
    batch_size: int,
    attempts: int = ATTEMPTS,
    before_commit: BeforeCommit | None = None,
) -> Publication:
    """Make `rows` the content of their hours in the table `name`, all at once or not at all.

    A stream is written part by part, and becomes visible as a whole. Nothing is visible before the last step, one
    INSERT of one block. A failure before it leaves the hours as they were; when only its answer is lost, at every
    attempt, they show the new rows although this fails.

    Where a failure may pass (a broken connection, a server short of memory), the whole publication is tried again,
    with growing pauses and for a minute at most; each attempt is a publication of its own, under its own number, so
    that a write whose answer was lost can't double anything.

    Args:
        clickhouse: Where to.
        name: The public name, `database.table`.
        rows: The rows of every hour they cover; an hour without rows becomes an empty hour.
        run_id: Goes into the journal.
        batch_size: Rows in one Arrow batch on the way.
        attempts: How often to try.
        before_commit: Called with the publication that each hour is about to show; its rows are in the storage table
            and nobody sees them yet. What it raises keeps them from being published.

    Raises:
        DataError: The rows don't fit the table, or lie outside the hours covered or the retention; or they insist on
            being seen, and a newer read hides them.
        PublicationError: ClickHouse stored, or answers, something else than was sent.
        ClickHouseError: ClickHouse can't be reached or refuses.
    """
    import tenacity

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda e: isinstance(e, PlatformError) and e.retryable),
        wait=tenacity.wait_exponential_jitter(multiplier=0.5, max=10),
        stop=tenacity.stop_after_attempt(attempts) | tenacity.stop_after_delay(RETRY_SECONDS),
        reraise=True,
    )
    return retrying(_publish_once, clickhouse, name, rows, run_id, batch_size, before_commit)


def _publish_once(
    clickhouse: ClickHouse,
    name: str,
    rows: HourlyFrame | HourlyStream,
    run_id: str,
    batch_size: int,
    before_commit: BeforeCommit | None,
) -> Publication:
    started_at = datetime.now(UTC)
    table = HourlyTable.of(clickhouse, name)
    check_layout(clickhouse, table)
    number, written = new_publication_number(), _Written()
    with nullcontext([rows]) if isinstance(rows, HourlyFrame) else rows.opened() as parts:
        for part in parts:
            _write(clickhouse, table, part, number, started_at, batch_size, written)
            del part
    hours = sorted(written.commits)
    if hours != sorted(rows.hours):
        raise DataError(f"{name}: the rows should be of {describe(rows.hours)}, and are of {describe(hours)}.")
    if clickhouse.cluster:
        wait_for_every_replica(clickhouse, table, written.commits, written.counts)
    if before_commit is not None:
        before_commit(written.commits)
    if isinstance(rows, HourlyStream) and rows.still_holds is not None:
        rows.still_holds()
    new = {hour: commit for hour, commit in written.commits.items() if commit == number}
    stored = written.confirmed + (table.stored_totals(clickhouse, new) if new else StoredTotals({}, {}))
    journal = _journal(name, written, stored, started_at, run_id)
    # One batch is one block. As a stream, like the rows: the driver's insert() sends a block again by itself when the
    # answer is lost, and the commit would be journalled twice.
    clickhouse.insert_arrow_stream(JOURNAL, journal.columns, arrow_stream(journal, journal.height))
    current = check_parity(clickhouse, table, hours, (written.commits, stored))
    superseded = [hour for hour in hours if current[hour].number != written.commits[hour]]
    if superseded and isinstance(rows, HourlyStream) and rows.insists:
        raise DataError(
            f"{name}: of {describe(superseded)} a newer read was published meanwhile, and readers see that one. Load "
            "these hours again.",
            retryable=True,
        )
    return Publication(
        number,
        sum(written.counts.values()),
        written.size,
        written.counts,
        written.unchanged,
        superseded,
        written.read_at,
        written.head,
    )


@dataclass(slots=True)
class _Written:
    """What is written of a window so far; the fields are those of `Publication`, and of the journal.

    `confirmed` is what is stored of the hours that are unchanged.
    """

    commits: dict[datetime, int] = field(default_factory=dict)
    counts: dict[datetime, int] = field(default_factory=dict)
    read_at: dict[datetime, datetime] = field(default_factory=dict)
    unchanged: list[datetime] = field(default_factory=list)
    sent_as: dict[datetime, str] = field(default_factory=dict)
    confirmed: StoredTotals = field(default_factory=lambda: StoredTotals({}, {}))
    size: int = 0
    head: pl.DataFrame = field(default_factory=pl.DataFrame)


def _write(
    clickhouse: ClickHouse,
    table: HourlyTable,
    part: HourlyFrame,
    number: int,
    started_at: datetime,
    batch_size: int,
    written: _Written,
) -> None:
    """Store the rows of some hours under the number, unseen, and compare them with what was sent."""
    rows = fit(part.rows, table.columns, table.name)
    _refuse_misplaced(part, rows, table.name, started_at)
    by_hour = fingerprints(rows)
    sent = {hour: sent_as(by_hour.get(hour)) for hour in part.hours}
    current = table.current(clickhouse, part.hours[0], part.hours[-1] + HOUR)
    unchanged, totals = _unchanged(clickhouse, table, rows, part, sent, current)
    changed = [hour for hour in part.hours if hour not in unchanged]
    _refuse_hidden({hour: current[hour] for hour in changed if hour in current}, table.name, started_at)
    new = rows if not unchanged else rows.filter(pl.col("hour_start").is_in(changed))
    if not new.is_empty():
        stamped = new.with_columns(pl.lit(number, dtype=pl.UInt64).alias("publication"))
        clickhouse.insert_arrow_stream(table.storage, stamped.columns, arrow_stream(stamped, batch_size))
        _audit(clickhouse, table, number, new, changed)
    written.commits |= dict.fromkeys(changed, number) | unchanged
    written.counts |= part.rows_per_hour()
    written.read_at |= part.read_at
    written.unchanged += sorted(unchanged)
    written.sent_as |= sent
    written.confirmed += totals
    written.size += int(rows.estimated_size())
    if written.head.is_empty():
        # Copied: a slice would keep the whole part in memory.
        written.head = pl.DataFrame(part.rows.head(HEAD_ROWS).to_dicts(), schema=part.rows.schema)


def _journal(name: str, written: _Written, stored: StoredTotals, started_at: datetime, run_id: str) -> pl.DataFrame:
    return pl.DataFrame(
        [
            (
                name,
                hour,
                written.commits[hour],
                written.read_at[hour],
                started_at,
                written.counts[hour],
                stored.checksums.get(hour, 0),
                run_id,
                written.sent_as[hour],
            )
            for hour in sorted(written.commits)
        ],
        schema=JOURNAL_SCHEMA,
        orient="row",
    )


def first_kept(now: datetime) -> datetime:
    """The first hour that can be loaded into every table: none is about to drop it."""
    return floor_hour(now - RETENTION) + LEAVING


def new_publication_number() -> int:
    """A number no other attempt has: 42 bits of the clock in ms, so that numbers sort by time, 22 of chance.

    The order that decides which publication is visible is the source's read instant, never this number.
    """
    return (time.time_ns() // 1_000_000) << 22 | secrets.randbits(22)


def arrow_stream(rows: pl.DataFrame, batch_size: int) -> Generator[bytes, None, None]:
    """The frame in Arrow's streaming format, a chunk per batch of at most `batch_size` rows."""
    # Imported where it is used: the daemon loads this module too.
    import pyarrow as pa

    sink = BytesIO()
    # Plain strings instead of views: every ClickHouse reads them. Slice by slice, or it would be a copy of all rows.
    slices = (part.to_arrow(compat_level=pl.CompatLevel.oldest()) for part in rows.iter_slices(batch_size))
    schema = rows.clear().to_arrow(compat_level=pl.CompatLevel.oldest()).schema
    with pa.ipc.new_stream(sink, schema) as writer:
        for part in slices:
            writer.write_table(part)
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
    # The mart's rows go with their day, at midnight of the server's zone, which may be before UTC's.
    leaving = (now - RETENTION).date() + timedelta(days=1)
    gone = "report_date" in rows.columns and not rows.filter(pl.col("report_date") <= leaving).is_empty()
    if frame.hours[0] < now - RETENTION or gone:
        raise DataError(
            f"{name}: {frame.hours[0]:%Y-%m-%d %H:%M} UTC is older than the {RETENTION.days} days that rows are kept, "
            f"or will be soon; nothing was published. Load hours from {first_kept(now):%Y-%m-%d %H:%M} UTC on."
        )
    ahead = max(frame.read_at.values()) - now
    if ahead > CLOCK_TOLERANCE:
        raise DataError(
            f"{name}: the source's clock is {ahead} ahead of this machine's. Publications are ordered by it, so this "
            "one would hide all that follow until then; nothing was published. Set the clocks right."
        )


def _refuse_hidden(current: Mapping[datetime, Current], name: str, now: datetime) -> None:
    ahead = {
        hour: entry.source_read_at for hour, entry in current.items() if entry.source_read_at > now + CLOCK_TOLERANCE
    }
    if ahead:
        # Not told as loaded: the hours would stay as they are, and nobody would look for them again.
        raise DataError(
            f"{name}: what readers see of {describe(ahead)} was read at {max(ahead.values()):%Y-%m-%d %H:%M} UTC by "
            "the source's clock, which hasn't come yet: clocks were ahead then, and were set back. It would hide what "
            "is read before that time; nothing was published. Load these hours again after it. Or, once the clocks are "
            f"right, list all such hours, of which some have no other rows by now: {LIST_THE_FUTURE}; then load every "
            f"one of them again, after: {FORGET_THE_FUTURE}"
        )


def _unchanged(
    clickhouse: ClickHouse,
    table: HourlyTable,
    rows: pl.DataFrame,
    part: HourlyFrame,
    sent: Mapping[datetime, str],
    current: Mapping[datetime, Current],
) -> tuple[dict[datetime, int], StoredTotals]:
    """Hours whose visible rows are just these, with the publication that wrote them, and what is stored of those.

    Writing them again would cost an insert, an audit and a sweep, every quarter of an hour for every hour of the
    lookback, and change nothing but `etl_processed_at`.

    What is sent is compared with what was sent, by the fingerprints in the journal; that was found to be what was
    stored, and what is stored still has the checksum that it had then. Where the journal's fingerprint can't be
    compared, because another version of polars made it, the stored rows are read back.
    """
    counts = part.rows_per_hour()
    same_size = {h: c for h, c in current.items() if h in counts and c.row_count == counts[h]}
    same = {h: c.number for h, c in same_size.items() if c.sent_as == sent[h]}
    if unknown := {h: c.number for h, c in same_size.items() if not comparable(c.sent_as)}:
        given, stored = fingerprints(rows), fingerprints(table.read(clickhouse, unknown))
        same |= {hour: number for hour, number in unknown.items() if given.get(hour) == stored.get(hour)}
    if not same:
        return {}, StoredTotals({}, {})
    totals = table.stored_totals(clickhouse, same)
    altered = [h for h in same if h not in unknown and totals.checksums.get(h, 0) != current[h].checksum]
    if altered:
        # Somebody changed the rows behind the journal's back: they are written again.
        same = {hour: number for hour, number in same.items() if hour not in altered}
        totals = table.stored_totals(clickhouse, same) if same else StoredTotals({}, {})
    return same, totals


def _audit(
    clickhouse: ClickHouse, table: HourlyTable, number: int, sent: pl.DataFrame, hours: Sequence[datetime]
) -> None:
    """Compare what is stored under the number with what was sent, hour by hour.

    Raises:
        PublicationError: They differ.
    """
    stored = table.read(clickhouse, dict.fromkeys(hours, number))
    expected, found = fingerprints(sent, stamps=True), fingerprints(stored, stamps=True)
    different = [hour for hour in hours if expected.get(hour) != found.get(hour)]
    if different:
        raise PublicationError(
            f"{clickhouse.place}: {table.storage} gave back other rows than were sent, in {describe(different)}: "
            f"{sent.height} rows sent, {stored.height} read back. Nothing was made visible."
        )
