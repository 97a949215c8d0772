"""What a materialisation says about itself, in Dagster's standard metadata keys."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import dagster as dg
import polars as pl

from bionicpro_assets.defs.keys import table_name
from bionicpro_assets.hours import HOUR
from bionicpro_assets.load.columns import Column, public_columns
from bionicpro_assets.load.publish import FOUND, Publication
from bionicpro_assets.load.table import HourlyTable

PREVIEW_ROWS = 2
# How many names a count by name has.
SAMPLE = 20
# Names of what is said of single hours, and plotted.
OF_HOUR = "_of_hour"
# What the sensor of late hours goes by.
SOURCE_READ_AT = "source_read_at"
ROLLED_UP_AT = "rolled_up_at"
# Never shown in metadata or logs. A login is here because people make logins of their names.
PERSONAL = frozenset(
    {
        "customer_id",
        "user_id",
        "customer_full_name",
        "customer_name",
        "email",
        "customer_email",
    }
)


def publication_metadata(table: HourlyTable, publication: Publication, seconds: float) -> dict[str, Any]:
    """Metadata of a published window, with some of its rows if they were read.

    `seconds` is how long it took to make the rows, to write them and to publish them.
    """
    head = publication.head
    shown = [name for name in table.public_columns if name in head.columns and not head.is_empty()]
    return {
        "dagster/row_count": publication.rows_in_table,
        "dagster/table_name": table.name,
        "dagster/storage_kind": "clickhouse",
        "rows": publication.rows,
        "hours": len(publication.entries),
        "empty_hours": sum(entry.row_count == 0 for entry in publication.entries.values()),
        "unchanged_hours": len(publication.unchanged),
        "superseded_hours": len(publication.superseded),
        "bytes": publication.size,
        "seconds": round(seconds, 3),
        "rows_per_second": round(publication.rows / max(seconds, 0.001), 1),
        "publication": str(publication.number),
        **{name.removesuffix(OF_HOUR): total for name, total in totals(publication).items()},
        **({"preview": preview(head.select(shown))} if shown else {}),
    }


def totals(publication: Publication) -> dict[str, Any]:
    """What was said of the hours and can be added up: whole numbers, and counts by name, of which the most."""
    added: dict[str, Any] = {}
    for entry in publication.entries.values():
        for name, value in entry.facts.items():
            if name == FOUND:
                # The checks say it.
                continue
            if isinstance(value, int):
                added[name] = added.get(name, 0) + value
            elif isinstance(value, dict):
                added[name] = added.get(name, Counter()) + Counter(value)
    return {name: dict(v.most_common(SAMPLE)) if isinstance(v, Counter) else v for name, v in added.items()}


def hour_metadata(publication: Publication, hour: datetime) -> dict[str, Any]:
    """Metadata of one hour: its rows, when it was read, and what else was said of it; the UI plots the numbers.

    Of an hour of which a newer read was published meanwhile nothing more is said: readers see that one. Whoever looks
    for late rows must not take what this run read for what readers see.
    """
    entry = publication.entries[hour]
    facts = {} if hour in publication.superseded else entry.facts
    return {
        "dagster/partition_row_count": entry.row_count,
        "lag_minutes": minutes_behind(hour, entry.source_read_at),
        SOURCE_READ_AT: dg.MetadataValue.timestamp(entry.source_read_at),
        **{name: value for name, value in facts.items() if name.endswith(OF_HOUR) or isinstance(value, str | list)},
    }


def table_metadata(key: dg.AssetKey) -> dict[str, Any]:
    """Metadata of the table that an asset is: its name, and the columns that readers see."""
    columns = public_columns(key.path[-1])
    schema = {"dagster/column_schema": table_schema(columns)} if columns else {}
    return {"dagster/table_name": table_name(key), **schema}


def table_schema(columns: Sequence[Column]) -> dg.TableSchema:
    """The table's columns with their ClickHouse types and comments."""
    return dg.TableSchema(
        [
            dg.TableColumn(c.name, c.type, c.comment, constraints=dg.TableColumnConstraints(nullable=c.nullable))
            for c in columns
        ]
    )


def preview(rows: pl.DataFrame) -> dg.TableMetadataValue:
    """The first rows as a table, without columns that say who somebody is."""
    shown = rows.select(name for name in rows.columns if name not in PERSONAL).head(PREVIEW_ROWS)
    schema = dg.TableSchema([dg.TableColumn(name, str(dtype)) for name, dtype in shown.schema.items()])
    records = [dg.TableRecord({name: _plain(value) for name, value in row.items()}) for row in shown.to_dicts()]
    return dg.MetadataValue.table(records, schema)


def column_lineage(deps: Mapping[str, Sequence[tuple[dg.AssetKey, str]]]) -> dict[str, dg.TableColumnLineage]:
    """Which columns of which assets a column comes from."""
    return {
        "dagster/column_lineage": dg.TableColumnLineage(
            {column: [dg.TableColumnDep(asset, name) for asset, name in sources] for column, sources in deps.items()}
        )
    }


def minutes_behind(hour: datetime, read_at: datetime) -> float:
    """How long after its end the hour was read; 0 for one that was open."""
    return round(max((read_at - hour - HOUR).total_seconds(), 0) / 60, 1)


def _plain(value: object) -> str | int | float | bool | None:
    if isinstance(value, datetime | date):
        return f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else value.isoformat()
    return value if isinstance(value, str | int | float | bool) else None
