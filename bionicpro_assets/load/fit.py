"""Fitting a frame to a table: every value arrives unchanged, or the frame is refused with the columns named."""

from collections.abc import Sequence
from datetime import date, datetime

import polars as pl

from bionicpro_assets.errors import DataError
from bionicpro_assets.hours import describe
from bionicpro_assets.load.columns import Column

# ClickHouse stores these as unsigned days and seconds since 1970: what lies outside would wrap or be clamped.
INSTANTS = {
    "DateTime": (datetime(1970, 1, 1), datetime(2106, 2, 7, 6, 28, 15)),
    "DateTime64(6)": (datetime(1900, 1, 1), datetime(2299, 12, 31)),
}
DAYS = {"Date": (date(1970, 1, 1), date(2149, 6, 6)), "Date32": (date(1900, 1, 1), date(2299, 12, 31))}

# Days, and microseconds, since 1970.
FIRST_OF_PYTHON = {pl.Date: -719_162, pl.Datetime: -719_162 * 86_400_000_000}
LAST_OF_PYTHON = {pl.Date: 2_932_896, pl.Datetime: 2_932_897 * 86_400_000_000 - 1}


def fit(rows: pl.DataFrame, columns: Sequence[Column], table: str) -> pl.DataFrame:
    """The frame with the table's columns, order and types.

    Integers may be of any width and reals Float64, as long as every value fits the column. A Float32 column
    rounds to the nearest Float32; that is the one change of value, and the mart's contract asks for it.

    Raises:
        DataError: Columns are missing, unknown or of another kind; or values are null, out of range, NaN or
            infinite. All problems are named at once, with the hours and some of the values.
    """
    problems = _misfits(rows.schema, columns)
    if not problems:
        problems = [p for c in columns if (p := _bad_values(rows, c))]
    if problems:
        listed = "\n".join(f"  - {p}" for p in problems)
        raise DataError(f"The rows for {table} don't fit the table; nothing was published:\n{listed}")
    return rows.select(_fitted(rows.schema[c.name], c) for c in columns)


def _misfits(schema: pl.Schema, columns: Sequence[Column]) -> list[str]:
    names = [c.name for c in columns]
    problems = [f"column {n} is missing" for n in names if n not in schema]
    problems += [f"column {n} is not in the table" for n in schema if n not in names]
    problems += [
        f"column {c.name} is {schema[c.name]} and the table has {c.type}"
        for c in columns
        if c.name in schema and not _same_kind(schema[c.name], c.dtype)
    ]
    return problems


def _same_kind(actual: pl.DataType, wanted: pl.DataType) -> bool:
    if wanted.is_integer():
        return actual.is_integer()
    if wanted.is_float():
        return actual.is_float()
    if isinstance(wanted, pl.Datetime):
        return isinstance(actual, pl.Datetime) and actual.time_zone is not None
    return actual == wanted


def _bad_values(rows: pl.DataFrame, column: Column) -> str | None:
    value = pl.col(column.name)
    checks = {} if column.nullable else {"null": value.is_null()}
    match column.dtype:
        case dtype if dtype.is_integer():
            low, high = _integer_range(dtype)
            checks[f"outside {low} to {high}"] = ~value.is_between(low, high)
        case pl.Float32() | pl.Float64():
            # A nullable column keeps what the source had, as it was read; what must be a number is not null either.
            if not column.nullable:
                checks["NaN or infinite"] = ~value.is_finite()
            if column.base == "Float32":
                checks["too large for Float32"] = value.is_finite() & value.cast(pl.Float32).is_infinite()
        case pl.Datetime():
            first, last = (pl.lit(i).dt.replace_time_zone("UTC") for i in INSTANTS[column.base])
            checks[f"outside {column.base}"] = ~value.is_between(first, last)
        case pl.Date():
            checks[f"outside {column.base}"] = ~value.is_between(*DAYS[column.base])
    for claim, bad in checks.items():
        found = rows.filter(bad)
        if not found.is_empty():
            return _described(found, column, claim)
    return None


def _described(found: pl.DataFrame, column: Column, claim: str) -> str:
    samples = _in_words(found[column.name].drop_nulls().head(3)) if column.base != "String" else []
    like = f", like {', '.join(samples)}" if samples else ""
    where = f" in {describe(found['hour_start'].unique().drop_nulls())}" if "hour_start" in found.columns else ""
    return f"column {column.name} ({column.type}): {found.height} values {claim}{like}{where}"


def _in_words(values: pl.Series) -> list[str]:
    """The values as text. PostgreSQL's infinity, and what lies beyond the year 9999, is no date in Python."""
    if not values.dtype.is_temporal():
        return [str(value) for value in values]
    named = (values.to_physical() >= FIRST_OF_PYTHON[values.dtype.base_type()]) & (
        values.to_physical() <= LAST_OF_PYTHON[values.dtype.base_type()]
    )
    return [str(value) for value in values.filter(named)] + ["infinity, or beyond the year 9999"] * bool((~named).any())


def _integer_range(dtype: pl.DataType) -> tuple[int, int]:
    bits = int("".join(ch for ch in str(dtype) if ch.isdigit()))
    if dtype.is_unsigned_integer():
        return 0, 2**bits - 1
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def _fitted(actual: pl.DataType, column: Column) -> pl.Expr:
    value = pl.col(column.name)
    if isinstance(column.dtype, pl.Datetime):
        value = value.dt.convert_time_zone("UTC")
        if column.base == "DateTime":
            value = value.dt.truncate("1s")
    return value.cast(column.dtype, strict=True) if actual != column.dtype else value
