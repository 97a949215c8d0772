"""One checksum in two wordings: of a frame here, and of the rows in ClickHouse."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bionicpro_assets.load.checksum import STAMP, checksums
from bionicpro_assets.load.columns import Column, public_columns
from bionicpro_assets.load.table import HourlyTable, hour_of
from bionicpro_assets.load.write import arrow_stream
from bionicpro_assets_tests.integration.test_publish import A, B, hourly
from bionicpro_assets_tests.publishing import publish_frame

TYPES = [
    "String", "Nullable(String)", "LowCardinality(String)", "LowCardinality(Nullable(String))", "UInt8", "UInt16",
    "UInt32", "UInt64", "Int8", "Int16", "Int32", "Int64", "Nullable(Int64)", "Float32", "Float64", "Nullable(Float64)",
    "Date", "Nullable(Date32)", "DateTime", "DateTime('UTC')", "DateTime64(6, 'UTC')", "Nullable(DateTime64(6, 'UTC'))",
]  # fmt: skip
COLUMNS = [Column.parse(f"c{n}", kind) for n, kind in enumerate(TYPES)]
HOURS = [datetime(2026, 11, 1, hour, tzinfo=UTC) for hour in range(3)]
TABLES = ["reports.user_prosthesis_stats", "staging.hourly_telemetry", "staging.crm_customer_prosthesis",
          "quarantine.rejected_telemetry"]  # fmt: skip


def values(column: Column) -> st.SearchStrategy[Any]:
    match column.dtype:
        case pl.String():
            found: st.SearchStrategy[Any] = st.text(st.characters(exclude_categories=["Cs"]), max_size=70)
        case dtype if dtype.is_integer():
            bits = int("".join(filter(str.isdigit, str(dtype))))
            low = 0 if dtype.is_unsigned_integer() else -(2 ** (bits - 1))
            found = st.integers(low, low + 2**bits - 1)
        case pl.Float32():
            found = st.floats(width=32, allow_nan=False)
        case pl.Float64():
            found = st.floats(allow_nan=False)
        case pl.Date():
            found = st.dates(date(1970, 1, 1), date(2149, 6, 6))
        case _ if column.base == "DateTime":
            # In whole seconds, as the table has them.
            found = st.integers(0, 2**32 - 1).map(lambda n: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=n))
        case _:
            found = st.datetimes(datetime(1900, 1, 1), datetime(2299, 12, 30), timezones=st.just(UTC))
    return st.none() | found if column.nullable else found


ROW = st.fixed_dictionaries({"hour_start": st.sampled_from(HOURS), **{c.name: values(c) for c in COLUMNS}})


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROW, min_size=1, max_size=20))
def test_the_frame_and_the_table_have_the_same_checksum(clickhouse, rows):
    schema = {"hour_start": pl.Datetime("us", "UTC"), **{c.name: c.dtype for c in COLUMNS}}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    columns = ", ".join(f"{c.name} {c.type}" for c in COLUMNS)
    clickhouse.command("CREATE DATABASE IF NOT EXISTS plain")
    clickhouse.command(
        f"CREATE OR REPLACE TABLE plain.rows (hour_start DateTime('UTC'), {columns}) ENGINE = MergeTree ORDER BY hour_start"
    )
    clickhouse.insert_arrow_stream("plain.rows", frame.columns, arrow_stream(frame, 7))
    checksum = HourlyTable("plain.rows", COLUMNS, [c.name for c in COLUMNS]).checksum
    _, found = clickhouse.rows(f"SELECT toUnixTimestamp(hour_start), count(), {checksum} FROM plain.rows GROUP BY 1")
    expected = {hour: (of.row_count, of.checksum) for hour, of in checksums(frame, COLUMNS).items()}
    assert {hour_of(seconds): (count, total) for seconds, count, total in found} == expected


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.with_columns(error_count=pl.col("warning_count"), warning_count=pl.col("error_count")),
        lambda f: f.with_columns(pl.col("movements_count").reverse().over("hour_start")),
        lambda f: f.with_columns(error_count=pl.lit(None, pl.Int64)),
        lambda f: pl.concat([f, f.head(1)]),
        lambda f: f.tail(-1),
        lambda f: f.with_columns(avg_response_time=pl.col("avg_response_time") + 1e-12),
        lambda f: f.with_columns(chip_id=pl.col("chip_id") + " "),
    ],
)
def test_whatever_is_different_makes_another_checksum(change):
    columns = [c for c in public_columns("hourly_telemetry") if c.name != "hour_start"]
    frame = hourly({A: [1, 2, 3]}).rows.with_columns(warning_count=pl.lit(51, pl.Int64))
    assert checksums(change(frame), columns)[A] != checksums(frame, columns)[A]


def test_the_order_of_rows_and_the_time_of_the_load_make_no_other_content():
    columns = public_columns("user_prosthesis_stats")
    row = {c.name: {pl.String: "x", pl.Date: A.date(), pl.Datetime: A}.get(type(c.dtype), 1) for c in columns}
    rows = [{**row, "hour_start": A, "prosthesis_id": n} for n in range(9)]
    frame = pl.DataFrame(rows, schema={**{c.name: c.dtype for c in columns}, "hour_start": pl.Datetime("us", "UTC")})
    later = frame.reverse().with_columns(pl.lit(B).cast(pl.Datetime("us", "UTC")).alias(STAMP))
    before, after = checksums(frame, columns)[A], checksums(later, columns)[A]
    assert before.content == after.content
    assert before.checksum != after.checksum


@pytest.mark.parametrize("name", TABLES)
def test_the_columns_that_the_ui_shows_are_those_that_readers_get(clickhouse, name):
    """The UI's are of the files in sql/, so that no event has to carry them."""
    table = HourlyTable.of(clickhouse, name)
    shown = {c.name: (c.type, c.comment) for c in public_columns(name.partition(".")[2])}
    assert list(shown) == [c.name for c in table.summed_columns]
    assert shown == {c.name: (c.type, c.comment) for c in table.summed_columns}


def test_the_journals_checksum_is_that_of_what_readers_get(clickhouse):
    publish_frame(clickhouse, "staging.hourly_telemetry", hourly({A: [1, 2], B: [3]}))
    table = HourlyTable.of(clickhouse, "staging.hourly_telemetry")
    entries = table.current(clickhouse, A, B + timedelta(hours=1))
    answers = table.answers(clickhouse, [A, B], [int(A.timestamp()), int(B.timestamp())])
    assert answers == {int(h.timestamp()): (e.row_count, e.checksum) for h, e in entries.items()}
