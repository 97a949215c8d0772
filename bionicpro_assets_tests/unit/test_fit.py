import math
import struct
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bionicpro_assets.errors import DataError
from bionicpro_assets.load.columns import Column
from bionicpro_assets.load.fit import fit

HOUR = datetime(2026, 11, 24, 8, tzinfo=UTC)
RANGES = {
    "UInt8": (0, 2**8 - 1),
    "UInt16": (0, 2**16 - 1),
    "UInt32": (0, 2**32 - 1),
    "Int8": (-(2**7), 2**7 - 1),
    "Int32": (-(2**31), 2**31 - 1),
    "Int64": (-(2**63), 2**63 - 1),
}


def fitted(values, clickhouse_type, dtype=None):
    frame = pl.DataFrame({"hour_start": [HOUR] * len(values), "c": pl.Series(values, dtype=dtype)})
    columns = [Column.parse("hour_start", "DateTime('UTC')"), Column.parse("c", clickhouse_type)]
    return fit(frame, columns, "reports.some_table")["c"]


@given(st.sampled_from(sorted(RANGES)), st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=8))
def test_integers_arrive_unchanged_or_are_refused(clickhouse_type, values):
    low, high = RANGES[clickhouse_type]
    if all(low <= v <= high for v in values):
        assert fitted(values, clickhouse_type, pl.Int64).to_list() == values
    else:
        with pytest.raises(DataError, match="column c "):
            fitted(values, clickhouse_type, pl.Int64)


@given(st.lists(st.floats(width=64), min_size=1, max_size=8))
def test_reals_arrive_as_the_nearest_float32_or_are_refused(values):
    def as_float32(value):
        return struct.unpack("f", struct.pack("f", value))[0]

    try:
        expected = [as_float32(v) for v in values]
        good = all(math.isfinite(v) for v in expected)
    except OverflowError:
        good = False
    if good:
        assert fitted(values, "Float32", pl.Float64).to_list() == expected
    else:
        with pytest.raises(DataError, match=r"column c \(Float32\)"):
            fitted(values, "Float32", pl.Float64)


@given(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)))
def test_instants_arrive_to_the_second_or_are_refused(naive):
    instant = naive.replace(tzinfo=UTC)
    if datetime(1970, 1, 1, tzinfo=UTC) <= instant <= datetime(2106, 2, 7, 6, 28, 15, tzinfo=UTC):
        assert fitted([instant], "DateTime").to_list() == [instant.replace(microsecond=0)]
    else:
        with pytest.raises(DataError, match="outside DateTime"):
            fitted([instant], "DateTime")


@pytest.mark.parametrize("day", [date(1969, 12, 31), date(2149, 6, 7)])
def test_days_that_wrap_in_a_date_are_refused(day):
    with pytest.raises(DataError, match="outside Date"):
        fitted([day], "Date")


def test_a_null_is_refused_where_the_table_takes_none():
    with pytest.raises(DataError, match="2 values null"):
        fitted([None, 1, None], "UInt32", pl.Int64)
    assert fitted([None, 1], "Nullable(UInt32)", pl.Int64).to_list() == [None, 1]
    assert fitted([None, 1.5], "Nullable(Float64)", pl.Float64).to_list() == [None, 1.5]


def test_a_refusal_names_every_column_the_hours_and_values():
    rows = pl.DataFrame(
        {
            "hour_start": [HOUR, HOUR + timedelta(hours=1), HOUR],
            "count": [1, -7, 2**32],
            "rate": [math.nan, 0.5, math.inf],
        }
    )
    columns = [
        Column.parse("hour_start", "DateTime('UTC')"),
        Column.parse("count", "UInt32"),
        Column.parse("rate", "Float32"),
    ]
    with pytest.raises(DataError) as caught:
        fit(rows, columns, "reports.some_table")
    message = str(caught.value)
    assert "reports.some_table" in message
    assert (
        "column count (UInt32): 2 values outside 0 to 4294967295, like -7, 4294967296 in 2026-11-24 08:00 … 09:00 UTC"
        in message
    )
    assert "column rate (Float32): 2 values NaN or infinite" in message


def test_text_is_never_quoted_in_a_refusal():
    with pytest.raises(DataError) as caught:
        fitted(["Иванов Пётр", None], "String")
    assert "Иванов" not in str(caught.value)


def test_columns_that_dont_match_are_all_named():
    rows = pl.DataFrame({"hour_start": ["2026-11-24"], "count": [1.5], "surplus": [1]})
    columns = [Column.parse(n, t) for n, t in (("hour_start", "DateTime"), ("count", "UInt32"), ("name", "String"))]
    with pytest.raises(DataError) as caught:
        fit(rows, columns, "reports.some_table")
    message = str(caught.value)
    for text in (
        "column name is missing",
        "column surplus is not in the table",
        "column hour_start is String and the table has DateTime",
        "column count is Float64 and the table has UInt32",
    ):
        assert text in message


def test_an_instant_without_a_zone_is_refused():
    with pytest.raises(DataError, match="column c is Datetime"):
        fitted([datetime(2026, 1, 1)], "DateTime")


@pytest.mark.parametrize(
    ("dtype", "type_", "farthest"),
    [(pl.Date(), "Date32", 2**31 - 1), (pl.Datetime("us", "UTC"), "DateTime64(6, 'UTC')", 2**63 - 1)],
)
def test_a_date_that_python_has_no_word_for_is_refused_in_words(dtype, type_, farthest):
    """PostgreSQL's infinity arrives as the last number of the type."""
    rows = pl.DataFrame({"at": pl.Series([0, farthest]).cast(dtype)})
    with pytest.raises(DataError, match="1 values outside .*, like infinity, or beyond the year 9999"):
        fit(rows, [Column.parse("at", type_)], "t")
