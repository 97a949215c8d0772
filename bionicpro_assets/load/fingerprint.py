"""Fingerprints of hours: what tells two sets of rows apart, whatever order they are in."""

import platform
from datetime import datetime

import polars as pl

# Says when a row was produced, not what it is.
STAMP = "etl_processed_at"
# polars' hash is the same for the same version on the same kind of machine, and on no other.
MAKER = f"polars {pl.__version__} {platform.machine()}"


def fingerprints(rows: pl.DataFrame, *, stamps: bool = False) -> dict[datetime, tuple[int, int]]:
    """Row count, and the wrapping sum of the rows' 64-bit hashes, of every hour that has rows.

    For frames of the same columns, order and types, by the same `MAKER`.

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


def sent_as(fingerprint: tuple[int, int] | None) -> str:
    """A fingerprint as the journal keeps it: with its maker, and without rows for an hour that has none."""
    count, total = fingerprint or (0, 0)
    return f"{MAKER}: {count} {total:016x}"


def comparable(kept: str) -> bool:
    """Whether the journal's fingerprint was made as this process makes them."""
    return kept.startswith(f"{MAKER}: ")
