"""The ClickHouse IO manager: an asset's hours in, published; an asset's hours out, to be read."""

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property

import dagster as dg
from pydantic import Field

from bionicpro_assets.defs.hourly import clear_failure
from bionicpro_assets.defs.keys import table_name
from bionicpro_assets.defs.metadata import hour_metadata, publication_metadata
from bionicpro_assets.defs.resources import ClickHouseResource
from bionicpro_assets.defs.verdicts import tell_blocked
from bionicpro_assets.errors import DataError
from bionicpro_assets.frames import HourlyLoad
from bionicpro_assets.hours import describe, parse_hour, partition_key
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.publish import Publication, publish
from bionicpro_assets.load.table import HourlyTable, Published
from bionicpro_assets.quality.claims import claims
from bionicpro_assets.quality.evaluate import BlockedError
from bionicpro_assets.settings import Settings


class ClickHouseIOManager(dg.ConfigurableIOManager):
    """Stores hourly assets in ClickHouse, a window of any number of hours as one publication.

    An asset key `[database, table]` is the public view `database.table`; its rows are in `storage.table`. Outputs of
    one step that are the same load become visible together, before any of them counts as materialised.
    """

    clickhouse: dg.ResourceDependency[ClickHouseResource]
    batch_size: int = Field(10_000, description="Rows in one Arrow batch on the way to ClickHouse")

    @property
    def client(self) -> ClickHouse:
        """The connection that all steps of a run share."""
        return self.clickhouse.clickhouse

    @cached_property
    def published(self) -> dict[str, Publication]:
        """What this run has published, by table: the next step's rows and the checks' verdicts are taken from it."""
        return {}

    @cached_property
    def _loads(self) -> dict[HourlyLoad, float]:
        """The loads that were published, and how many seconds it took."""
        return {}

    def handle_output(self, context: dg.OutputContext, obj: HourlyLoad) -> None:
        """Publish the rows as the content of the output's partitions, all of them at once."""
        name = table_name(context.asset_key)
        with clear_failure():
            hours = _hours(name, context.has_asset_partitions, context.asset_partition_keys)
            if sorted(obj.hours) != hours or name not in obj.tables:
                raise DataError(
                    f"{name}: the run is for {describe(hours)}, and the rows are those of {', '.join(obj.tables)} for "
                    f"{describe(obj.hours)}."
                )
            if obj not in self._loads:
                self._publish(context, obj)
            table = HourlyTable.of(self.client, name)
        publication = self.published[name]
        if publication.superseded:
            context.log.warning(
                f"{name}: of {describe(publication.superseded)} a newer read was published meanwhile and stays visible."
            )
        # As metadata of the output it would be recorded once more, with the output.
        of_window = publication_metadata(table, publication, self._loads[obj])
        for hour in hours:
            told = {**of_window, **hour_metadata(publication, hour)}
            if hour != hours[-1]:
                # The last hour is the one that Dagster shows for the asset.
                told.pop("preview", None)
            context.step_context.add_asset_metadata(told, context.asset_key, partition_key(hour))

    def _publish(self, context: dg.OutputContext, load: HourlyLoad) -> None:
        began = time.monotonic()
        try:
            found = publish(
                self.client, load, run_id=context.run_id, batch_size=self.batch_size, claims=claims(Settings.load())
            )
        except BlockedError as error:
            # An output context gives no other way to the instance that the run is recorded in.
            tell_blocked(context.step_context.instance, error, context.run_id)
            raise
        if not load.hand_over:
            # The end of the rows' way: nobody waits for them any more.
            for publication in self.published.values():
                publication.in_memory.clear()
        self.published.update(found)
        self._loads[load] = time.monotonic() - began

    def load_input(self, context: dg.InputContext) -> Published:
        """The partitions that the run needs, as they are visible now; of the input's `columns`, if it names some."""
        name = table_name(context.asset_key)
        with clear_failure():
            hours = _hours(name, context.has_asset_partitions, context.asset_partition_keys)
            columns = (context.definition_metadata or {}).get("columns")
            found = HourlyTable.of(self.client, name).published(self.client, hours, columns)
            just_now = self.published.get(name)
            return replace(found, in_memory=just_now.in_memory) if just_now else found


def _hours(name: str, partitioned: bool, keys: Sequence[str]) -> list[datetime]:
    if not partitioned or not keys:
        raise DataError(f"{name} is stored by the hour: name a partition or a range of them.")
    return sorted(parse_hour(key) for key in keys)
