import polars as pl
import pytest

from bionicpro_assets.errors import ClickHouseError
from bionicpro_assets.load.columns import Column


@pytest.mark.parametrize(
    ("clickhouse_type", "dtype", "nullable"),
    [
        ("String", pl.String(), False),
        ("LowCardinality(String)", pl.String(), False),
        ("LowCardinality(Nullable(String))", pl.String(), True),
        ("UInt8", pl.UInt8(), False),
        ("Nullable(Int64)", pl.Int64(), True),
        ("Float32", pl.Float32(), False),
        ("Date", pl.Date(), False),
        ("Nullable(Date32)", pl.Date(), True),
        ("DateTime", pl.Datetime("us", "UTC"), False),
        ("DateTime('Europe/Moscow')", pl.Datetime("us", "UTC"), False),
        ("Nullable(DateTime64(6, 'UTC'))", pl.Datetime("us", "UTC"), True),
        ("DateTime64(6)", pl.Datetime("us", "UTC"), False),
    ],
)
def test_a_clickhouse_type_has_one_frame_type(clickhouse_type, dtype, nullable):
    column = Column.parse("c", clickhouse_type)
    assert (column.dtype, column.nullable) == (dtype, nullable)


@pytest.mark.parametrize(
    "clickhouse_type",
    ["Array(String)", "Decimal(10, 2)", "Enum8('a' = 1)", "DateTime64(3)", "UUID", "Bool", "Map(String, UInt8)"],
)
def test_types_that_nothing_here_writes_are_refused(clickhouse_type):
    with pytest.raises(ClickHouseError, match="column_of_that_type"):
        Column.parse("column_of_that_type", clickhouse_type)
