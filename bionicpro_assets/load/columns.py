"""Columns of a storage table, as ClickHouse has them, and the frame types that fit them.

The tables are written down in `sql/clickhouse/schema/`; a frame is fitted to the table, never the other way.
"""

import re
from dataclasses import dataclass
from functools import cache

import polars as pl
from polars.datatypes import DataType

from bionicpro_assets.errors import ClickHouseError
from bionicpro_assets.sqlfiles import scripts

# Columns of a storage table that readers never see, beside those that its view leaves out by not naming them.
BOOKKEEPING = ("publication", "written_at")
ADDED = r"ALTER TABLE storage\.{table}\s+ADD COLUMN (?:IF NOT EXISTS )?(\w+)"
COLUMN = re.compile(r"^ +(\w+) +(.+?) +(?:DEFAULT .+ )?COMMENT '((?:[^']|'')*)',?$", re.MULTILINE)

# DateTime64(6) is the only sub-second type here: PostgreSQL's timestamps have microseconds too.
DTYPES: dict[str, DataType] = {
    "String": pl.String(),
    "UInt8": pl.UInt8(),
    "UInt16": pl.UInt16(),
    "UInt32": pl.UInt32(),
    "UInt64": pl.UInt64(),
    "Int8": pl.Int8(),
    "Int16": pl.Int16(),
    "Int32": pl.Int32(),
    "Int64": pl.Int64(),
    "Float32": pl.Float32(),
    "Float64": pl.Float64(),
    "Date": pl.Date(),
    "Date32": pl.Date(),
    "DateTime": pl.Datetime("us", "UTC"),
    "DateTime64(6)": pl.Datetime("us", "UTC"),
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a storage table.

    Attributes:
        name: Its name.
        type: Its ClickHouse type, as the table's DDL has it.
        comment: What it means, in words; shown in the Dagster UI.
        base: The type without LowCardinality, Nullable and time zone.
        nullable: Whether it takes nulls.
    """

    name: str
    type: str
    comment: str
    base: str
    nullable: bool

    @classmethod
    def parse(cls, name: str, clickhouse_type: str, comment: str = "") -> "Column":
        """A column from its row in `system.columns`.

        Raises:
            ClickHouseError: The type is none this platform writes: arrays, decimals, enumerations and so on.
        """
        base, nullable = clickhouse_type, False
        while wrapped := re.fullmatch(r"(LowCardinality|Nullable)\((.+)\)", base):
            nullable |= wrapped[1] == "Nullable"
            base = wrapped[2]
        base = re.sub(r"(?:\(|, )'[^']+'\)$", lambda m: ")" if m[0].startswith(",") else "", base)
        if base not in DTYPES:
            raise ClickHouseError(f"Column {name} has the type {clickhouse_type}, which this platform doesn't write.")
        return cls(name, clickhouse_type, comment, base, nullable)

    @property
    def dtype(self) -> DataType:
        """The polars type whose values all fit, and none is changed on the way."""
        return DTYPES[self.base]


@cache
def hourly_tables() -> tuple[str, ...]:
    """The public names of the tables that are published by the hour: those whose view in `sql/` reads the journal."""
    texts = [text for _, text in scripts("clickhouse/schema")]
    # Views of days read the journal of a table, too.
    return tuple(dict.fromkeys(name for text in texts for name in re.findall(r"WHERE table_name = '([\w.]+)'", text)))


@cache
def own_columns(table: str) -> frozenset[str]:
    """Names of the columns that the files in `sql/clickhouse/schema/` give a storage table; none for another table."""
    texts = dict(scripts("clickhouse/schema"))
    stored = next((text for name, text in texts.items() if name.endswith(f"_storage_{table}.sql")), "")
    added = [name for text in texts.values() for name in re.findall(ADDED.format(table=table), text)]
    return frozenset(name for name, _, _ in COLUMN.findall(stored)) | set(added)


def public_columns(table: str) -> list[Column]:
    """The columns that readers of a table see, by its files in `sql/clickhouse/schema/`; none for another table."""
    files = dict(scripts("clickhouse/schema"))
    stored = next((text for name, text in files.items() if name.endswith(f"_storage_{table}.sql")), "")
    view = next((text for text in files.values() if f"FROM storage.{table}_rows" in text), "").partition("FROM")[0]
    columns = [Column.parse(name, kind, comment.replace("''", "'")) for name, kind, comment in COLUMN.findall(stored)]
    named = set(re.findall(r"\w+", view))
    return [c for c in columns if c.name not in BOOKKEEPING and ("SELECT *" in view or c.name in named)]
