"""Fingerprints of hours: what tells two sets of rows apart, whatever order they are in."""

from datetime import datetime

import polars as pl

# Says when a row was produced, not what it is.
STAMP = "etl_processed_at"


def fingerprints(rows: pl.DataFrame, *, stamps: bool = False) -> dict[datetime, tuple[int, int]]:
    """Row count, and the wrapping sum of the rows' 64-bit hashes, of every hour that has rows.

    For frames of the same columns, order and types, within one process: polars' hash is not the same across
    versions. What is kept, in the journal, is ClickHouse's checksum.

    Args:
        rows: A frame with `hour_start`.
        stamps: Whether `etl_processed_at` counts.
    """
    hashed = rows if stamps or STAMP not in rows.columns else rows.drop(STAMP)
    per_hour = (
        rows.select("hour_start", hash=hashed.hash_rows(seed=0))
        .group_by("hour_start")
        .agg(pl.len(), pl.col("hash").sum())
    )
    return {hour: (count, total) for hour, count, total in per_hour.iter_rows()}
