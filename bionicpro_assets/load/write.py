"""Writing to ClickHouse: frames as Arrow streams, the journal's rows, and the number of an attempt."""

import secrets
import time
from collections.abc import Generator
from io import BytesIO

import polars as pl

JOURNAL_SCHEMA = pl.Schema(
    {
        "table_name": pl.String(),
        "hour_start": pl.Datetime("us", "UTC"),
        "publication": pl.UInt64(),
        "source_read_at": pl.Datetime("us", "UTC"),
        "started_at": pl.Datetime("us", "UTC"),
        "row_count": pl.UInt64(),
        "checksum": pl.UInt64(),
        "content": pl.UInt64(),
        "accounting": pl.UInt64(),
        "made_of": pl.String(),
        "compared_at": pl.Datetime("us", "UTC"),
        "facts": pl.String(),
        "run_id": pl.String(),
    }
)


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
