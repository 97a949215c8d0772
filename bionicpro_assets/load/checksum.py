"""Checksums of hours that the sender, the storage and the public view compute alike, to the bit.

A row is the sum of its columns, each as 64 bits times an odd number of its own, mixed once; an hour is the sum of its
rows. Sums and products wrap. So the order of rows doesn't matter, and a value that is lost, doubled, altered, or in
another column or row shows. Text is hashed by xxHash64, which ClickHouse and polars have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import TYPE_CHECKING

import polars as pl

from bionicpro_assets.load.columns import Column

if TYPE_CHECKING:
    import numpy as np

# Says when a row was produced, not what it is.
STAMP = "etl_processed_at"
NULL = 0x9E3779B97F4A7C15
MIX = 0xD6E8FEB86659FD93


@dataclass(frozen=True, slots=True)
class Checksums:
    """What tells the rows of an hour from others.

    Attributes:
        row_count: How many there are.
        checksum: Of all columns.
        content: Of all columns but `etl_processed_at`.
    """

    row_count: int = 0
    checksum: int = 0
    content: int = 0


def checksums(rows: pl.DataFrame, columns: Sequence[Column]) -> dict[datetime, Checksums]:
    """The checksums of every hour that has rows.

    Args:
        rows: A frame with `hour_start` and these columns, in the table's own types.
        columns: The columns that count: those of the public view.
    """
    # numpy's arithmetic wraps, and adds to an array in place. Imported where it is used: the daemon loads this module.
    import numpy as np

    if rows.is_empty():
        return {}
    content = np.zeros(rows.height, np.uint64)
    stamp = np.zeros(rows.height, np.uint64)
    for column in columns:
        bits = _bits(rows[column.name], column)
        bits *= np.uint64(_factor(column.name))
        target = stamp if column.name == STAMP else content
        target += bits
    hashed = {"content": _mixed(content), "checksum": _mixed(content + stamp) if stamp.any() else None}
    hashed["checksum"] = hashed["content"] if hashed["checksum"] is None else hashed["checksum"]
    per_hour = (
        rows.select("hour_start")
        .with_columns(pl.Series(name, values) for name, values in hashed.items())
        .group_by("hour_start")
        .agg(pl.len(), pl.col("checksum").sum(), pl.col("content").sum())
    )
    return {hour: Checksums(*found) for hour, *found in per_hour.iter_rows()}


def checksum_sql(columns: Sequence[Column]) -> str:
    """The aggregate that gives the same `checksum` in ClickHouse."""
    terms = " + ".join(f"{_bits_sql(column)} * {_factor(column.name)}" for column in columns)
    return f"sum(bitXor(({terms}) AS row_bits, bitShiftRight(row_bits, 32)) * {MIX})"


def _factor(name: str) -> int:
    """The odd number that the column of this name is multiplied by."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big") | 1


def _bits(values: pl.Series, column: Column) -> np.ndarray:
    import numpy as np
    import polars_hash  # noqa: F401 - registers the namespace

    nulls = values.is_null().to_numpy() if values.null_count() else None
    match column.dtype:
        case pl.String():
            hashed = pl.select(pl.lit(values).nchash.xxhash64()).to_series()  # type: ignore[attr-defined]
            bits = hashed.fill_null(0).to_numpy(writable=True)
        case pl.Float32():
            bits = values.fill_null(0).to_numpy().view(np.uint32).astype(np.uint64)
        case pl.Float64():
            bits = values.fill_null(0).to_numpy().view(np.uint64).copy()
        case pl.Datetime() if column.base == "DateTime":
            bits = (values.dt.epoch("us") // 1_000_000).fill_null(0).to_numpy().astype(np.uint64)
        case _:
            bits = values.to_physical().fill_null(0).to_numpy().astype(np.uint64)
    if nulls is not None:
        bits[nulls] = NULL
    return bits


def _mixed(bits: np.ndarray) -> np.ndarray:
    import numpy as np

    mixed: np.ndarray = (bits ^ (bits >> np.uint64(32))) * np.uint64(MIX)
    return mixed


def _bits_sql(column: Column) -> str:
    match column.dtype:
        case pl.String():
            bits = f"xxHash64({column.name})"
        case pl.Float32():
            bits = f"toUInt64(reinterpretAsUInt32({column.name}))"
        case pl.Float64():
            bits = f"reinterpretAsUInt64({column.name})"
        case pl.Datetime():
            micro = "64Micro" if column.base.startswith("DateTime64") else ""
            bits = f"toUInt64(toUnixTimestamp{micro}({column.name}))"
        case pl.Date():
            bits = f"toUInt64(toInt32({column.name}))"
        case _:
            bits = f"toUInt64({column.name})"
    return f"ifNull({bits}, {NULL})" if column.nullable else bits
