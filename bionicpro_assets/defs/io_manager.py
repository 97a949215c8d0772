"""The ClickHouse IO manager: an asset's frame in, its hours published; an asset's hours out, its frame."""

import time
from collections.abc import Sequence
from datetime import datetime

import dagster as dg
from pydantic import Field

from bionicpro_assets.defs.hourly import clear_failure
from bionicpro_assets.defs.keys import TELEMETRY_EXTRACT, table_name
from bionicpro_assets.defs.metadata import SOURCE_STATE, publication_metadata, table_metadata
from bionicpro_assets.defs.resources import ClickHouseResource
from bionicpro_assets.defs.verdicts import tell_blocked
from bionicpro_assets.errors import DataError
from bionicpro_assets.frames import HourlyStream
from bionicpro_assets.hours import describe, parse_hour, partition_key
from bionicpro_assets.load.publish import publish
from bionicpro_assets.load.table import HourlyTable, Published
from bionicpro_assets.quality.claims import claims
from bionicpro_assets.quality.evaluate import BlockedError, require
from bionicpro_assets.settings import Settings


class ClickHouseIOManager(dg.ConfigurableIOManager):
    """Stores hourly assets in ClickHouse, a window of any number of hours as one publication.

    An asset key `[database, table]` is the public view `database.table`; its rows are in `storage.table`.
    """

    clickhouse: dg.ResourceDependency[ClickHouseResource]
    batch_size: int = Field(10_000, description="Rows in one Arrow batch on the way to ClickHouse")
    chunk_rows: int = Field(100_000, description="Rows that are worked on at once, if they are of several hours")

    def handle_output(self, context: dg.OutputContext, obj: HourlyStream) -> None:
        """Publish the rows as the content of the output's partitions, all of them at once."""
        name = table_name(context.asset_key)
        with clear_failure():
            hours = _hours(name, context.has_asset_partitions, context.asset_partition_keys)
            if sorted(obj.hours) != hours:
                raise DataError(f"{name}: the run is for {describe(hours)}, and its rows for {describe(obj.hours)}.")
            clickhouse = self.clickhouse.clickhouse
            began = time.monotonic()
            try:
                publication = publish(
                    clickhouse,
                    name,
                    obj,
                    run_id=context.run_id,
                    batch_size=self.batch_size,
                    before_commit=lambda staged: require(
                        clickhouse, claims(Settings.load()), name, staged, most_rows=self.chunk_rows
                    ),
                )
            except BlockedError as error:
                # An output context gives no other way to the instance that the run is recorded in.
                tell_blocked(context.step_context.instance, error, context.run_id)
                raise
            seconds = time.monotonic() - began
            table = HourlyTable.of(clickhouse, name)
            rows_in_table = table.row_count(clickhouse)
        if publication.superseded:
            context.log.warning(
                f"{name}: of {describe(publication.superseded)} a newer read was published meanwhile and stays visible."
            )
            if context.asset_key == TELEMETRY_EXTRACT:
                # Whoever looks for late rows must not take what this run read for what readers see.
                for hour in publication.superseded:
                    context.step_context.add_asset_metadata({SOURCE_STATE: ""}, context.asset_key, partition_key(hour))
        context.add_output_metadata(publication_metadata(table, publication, rows_in_table, seconds))
        lineage = (context.definition_metadata or {}).get("dagster/column_lineage")
        described = table_metadata(table, publication.head)
        if lineage is not None:
            described["dagster/column_lineage"] = lineage
        # An output context adds metadata to all its partitions, and a step's to one.
        context.step_context.add_asset_metadata(described, context.asset_key, context.asset_partition_keys[-1])

    def load_input(self, context: dg.InputContext) -> Published:
        """The partitions that the run needs, as they are visible now; of the input's `columns`, if it names some."""
        name = table_name(context.asset_key)
        with clear_failure():
            hours = _hours(name, context.has_asset_partitions, context.asset_partition_keys)
            clickhouse = self.clickhouse.clickhouse
            columns = (context.definition_metadata or {}).get("columns")
            return HourlyTable.of(clickhouse, name).published(clickhouse, hours, columns)


def _hours(name: str, partitioned: bool, keys: Sequence[str]) -> list[datetime]:
    if not partitioned or not keys:
        raise DataError(f"{name} is stored by the hour: name a partition or a range of them.")
    return sorted(parse_hour(key) for key in keys)
