"""What a materialisation says about itself, in Dagster's standard metadata keys."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import dagster as dg
import polars as pl

from bionicpro_assets.frames import HourlyFrame
from bionicpro_assets.load.columns import Column
from bionicpro_assets.load.publish import Publication

PREVIEW_ROWS = 5
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
    name: str, columns: Sequence[Column], frame: HourlyFrame, publication: Publication
) -> dict[str, Any]:
    """Metadata of a published window."""
    return {
        "dagster/row_count": publication.rows,
        "dagster/table_name": name,
        "dagster/storage_kind": "clickhouse",
        "dagster/column_schema": table_schema(columns),
        "hours": len(frame.hours),
        "empty_hours": sum(count == 0 for count in publication.rows_per_hour.values()),
        "unchanged_hours": len(publication.unchanged),
        "superseded_hours": len(publication.superseded),
        "bytes": publication.size,
        "publication": str(publication.number),
        "source_read_at": dg.MetadataValue.timestamp(max(frame.read_at.values())),
        "preview": preview(frame.rows),
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


def add_rows_per_hour(context: dg.AssetExecutionContext, counts: Mapping[str, int]) -> None:
    """Give the materialisation of every partition its own row count; the rest is shared by the window."""
    for key, count in counts.items():
        context.add_asset_metadata({"dagster/partition_row_count": count}, partition_key=key)


def _plain(value: object) -> str | int | float | bool | None:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value if isinstance(value, str | int | float | bool) else None
