"""What a materialisation says about itself, in Dagster's standard metadata keys."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import dagster as dg
import polars as pl

from bionicpro_assets.frames import HourlyFrame
from bionicpro_assets.hours import HOUR, partition_key
from bionicpro_assets.load.columns import Column
from bionicpro_assets.load.publish import Publication
from bionicpro_assets.load.table import HourlyTable

PREVIEW_ROWS = 5
# What the sensor of late hours goes by.
SOURCE_READ_AT = "source_read_at"
# Chips whose telemetry of the hour found no wearer.
REJECTED_CHIPS = "rejected_chips"
SOURCE_STATE = "source_state"
ROLLED_UP_AT = "rolled_up_at"
# Never shown in metadata or logs. A login is here because people make logins of their names.
PERSONAL = frozenset(
    {
        "customer_id",
        "user_id",
        "first_name",
        "last_name",
        "middle_name",
        "customer_full_name",
        "customer_name",
        "email",
        "customer_email",
        "phone",
    }
)


def publication_metadata(
    table: HourlyTable, publication: Publication, rows_in_table: int, seconds: float
) -> dict[str, Any]:
    """Metadata of a published window: it is on the materialisation of every hour of it, and so is kept small.

    `seconds` is how long it took to make the rows, to write them and to publish them.
    """
    return {
        "dagster/row_count": rows_in_table,
        "dagster/table_name": table.name,
        "dagster/storage_kind": "clickhouse",
        "rows": publication.rows,
        "hours": len(publication.read_at),
        "empty_hours": sum(count == 0 for count in publication.rows_per_hour.values()),
        "unchanged_hours": len(publication.unchanged),
        "superseded_hours": len(publication.superseded),
        "bytes": publication.size,
        "seconds": round(seconds, 3),
        "rows_per_second": round(publication.rows / max(seconds, 0.001), 1),
        "publication": str(publication.number),
        SOURCE_READ_AT: dg.MetadataValue.timestamp(max(publication.read_at.values())),
    }


def table_metadata(table: HourlyTable, head: pl.DataFrame) -> dict[str, Any]:
    """Metadata of the table, in the columns that readers see: nine tenths of an event, and the same for every hour.

    It is on the materialisation of a window's last hour, which is the one that Dagster shows for the asset.
    """
    columns = [c for c in table.columns if c.name in table.public_columns]
    return {
        "dagster/column_schema": table_schema(columns),
        "preview": preview(head.select(c.name for c in columns)),
    }


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
    shown = rows.select(c for c in rows.columns if c not in PERSONAL)
    schema = dg.TableSchema([dg.TableColumn(name, str(dtype)) for name, dtype in shown.schema.items()])
    records = [dg.TableRecord({k: _plain(v) for k, v in row.items()}) for row in shown.head(PREVIEW_ROWS).to_dicts()]
    return dg.MetadataValue.table(records, schema)


def column_lineage(deps: Mapping[str, Sequence[tuple[dg.AssetKey, str]]]) -> dict[str, dg.TableColumnLineage]:
    """Which columns of which assets a column comes from."""
    return {
        "dagster/column_lineage": dg.TableColumnLineage(
            {column: [dg.TableColumnDep(asset, name) for asset, name in sources] for column, sources in deps.items()}
        )
    }


def add_per_hour(
    context: dg.AssetExecutionContext,
    frame: HourlyFrame,
    key: dg.AssetKey,
    more: Mapping[str, Mapping[datetime, Any]] | None = None,
) -> None:
    """Give the materialisation of every hour its own row count and delay, and more by name: the UI plots them.

    The rest of its metadata is the window's.
    """
    more = {"lag_minutes": minutes_behind(frame.read_at), **(more or {})}
    for hour, count in frame.rows_per_hour().items():
        own = {name: values[hour] for name, values in more.items() if hour in values}
        context.add_asset_metadata(
            {"dagster/partition_row_count": count, **own}, asset_key=key, partition_key=partition_key(hour)
        )


def minutes_behind(read_at: Mapping[datetime, datetime]) -> dict[datetime, float]:
    """How long after their end the hours were read; 0 for an hour that was open."""
    return {hour: round(max((at - hour - HOUR).total_seconds(), 0) / 60, 1) for hour, at in read_at.items()}


def _plain(value: object) -> str | int | float | bool | None:
    if isinstance(value, datetime | date):
        return f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else value.isoformat()
    return value if isinstance(value, str | int | float | bool) else None
