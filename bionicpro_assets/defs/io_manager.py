"""The ClickHouse IO manager: an asset's hours in, published; an asset's hours out, to be read."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field

from bionicpro_assets.defs.hourly import clear_failure
from bionicpro_assets.defs.keys import CLICKHOUSE_IO_MANAGER, table_name
from bionicpro_assets.defs.metadata import hour_metadata, publication_metadata
from bionicpro_assets.defs.resources import ClickHouseResource
from bionicpro_assets.defs.verdicts import tell_blocked
from bionicpro_assets.errors import DataError
from bionicpro_assets.frames import HourlyFrame, HourlyLoad
from bionicpro_assets.hours import PARTITION_KEY_FORMAT, describe, parse_hour, partition_key
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.columns import hourly_tables
from bionicpro_assets.load.publish import Publication, publish
from bionicpro_assets.load.table import HourlyTable, Published
from bionicpro_assets.quality.claims import claims
from bionicpro_assets.quality.evaluate import BlockedError
from bionicpro_assets.settings import Settings


class ClickHouseIOManager(dg.ConfigurableIOManager):
    """Stores hourly assets in ClickHouse, a window of any number of hours as one publication.

    An asset key `[database, table]` is the public view `database.table`; its rows are in `storage.table`. Outputs of
    one step that are the same load become visible together, before any of them counts as materialised. What an asset
    of one's own needs: docs/io-manager.md.
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

    def handle_output(self, context: dg.OutputContext, obj: HourlyLoad | HourlyFrame) -> None:
        """Publish the rows as the content of the output's partitions, all of them at once."""
        with clear_failure():
            name, hours = _asked(context)
            load = _as_load(name, obj)
            if sorted(load.hours) != hours or name not in load.tables:
                raise DataError(
                    f"{name}: the run is for {describe(hours)}, and the rows are those of {', '.join(load.tables)} for "
                    f"{describe(load.hours)}."
                )
            if load not in self._loads:
                self._publish(context, load)
            table = HourlyTable.of(self.client, name)
        publication = self.published[name]
        if publication.superseded:
            context.log.warning(
                f"{name}: of {describe(publication.superseded)} a newer read was published meanwhile and stays visible."
            )
        # As metadata of the output it would be recorded once more, with the output.
        of_window = publication_metadata(table, publication, self._loads[load])
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

    def load_input(self, context: dg.InputContext) -> Published | HourlyFrame | pl.DataFrame:
        """The partitions that the run needs, as they are visible now; of the input's `columns`, if it names some.

        As its annotation says: a `Published`, which is read in parts; an `HourlyFrame`; or a `polars.DataFrame`.
        """
        with clear_failure():
            name, hours = _asked(context)
            wanted = context.dagster_type.typing_type
            if wanted not in (Any, Published, HourlyFrame, pl.DataFrame):
                annotation = getattr(wanted, "__name__", wanted)
                raise DataError(
                    f"{name}: the input {context.name} is annotated as {annotation}. It can be a polars.DataFrame, an "
                    "HourlyFrame or a Published."
                )
            step = context.step_context
            itself = step.assets_def is not None and context.asset_key in step.assets_def.keys
            if itself and step.partition_key_range.start != step.partition_key_range.end:
                raise DataError(f"{name} is made of its own hour before; load it an hour a run, the oldest first.")
            columns = (context.definition_metadata or {}).get("columns")
            found = HourlyTable.of(self.client, name).published(self.client, hours, columns)
            if just_now := self.published.get(name):
                found = replace(found, in_memory=just_now.in_memory)
            if wanted in (Any, Published):
                return found
            frame = found.load(hours)
            return frame if wanted is HourlyFrame else frame.rows


def refuse_unfit(assets: Iterable[dg.AssetsDefinition]) -> None:
    """See that the assets which this IO manager is to store can be stored by it.

    Raises:
        DagsterInvalidDefinitionError: Some can't; all of them are named, each with the reason.
    """
    unfit = [
        f"{key.to_user_string()}: {problem}. See docs/io-manager.md"
        for asset in assets
        for key in (asset.keys if asset.is_executable else ())
        if asset.get_io_manager_key_for_asset_key(key) == CLICKHOUSE_IO_MANAGER
        for problem in _problems(asset, key)
    ]
    if unfit:
        raise dg.DagsterInvalidDefinitionError("\n".join(unfit))


def _problems(asset: dg.AssetsDefinition, key: dg.AssetKey) -> Iterator[str]:
    partitions = asset.specs_by_key[key].partitions_def
    if not (
        isinstance(partitions, dg.HourlyPartitionsDefinition)
        and (partitions.timezone, partitions.fmt, partitions.minute_offset) == ("UTC", PARTITION_KEY_FORMAT, 0)
    ):
        yield "the ClickHouse IO manager stores assets by the UTC hour, and its partitions are others"
    if len(key.path) != 2 or table_name(key) not in hourly_tables():
        yield f"no view of the name {table_name(key)} in sql/clickhouse/schema reads the journal"
    policy = asset.backfill_policy
    if key in asset.asset_deps[key] and (policy is None or policy.max_partitions_per_run != 1):
        yield "it is made of its own hour before, so its backfill_policy must be BackfillPolicy.multi_run(1)"


def _asked(context: dg.InputContext | dg.OutputContext) -> tuple[str, list[datetime]]:
    """The table and the hours."""
    if not context.has_asset_key:
        raise DataError("The ClickHouse IO manager stores assets, and this is the output of an op.")
    name = table_name(context.asset_key)
    if not context.has_asset_partitions:
        raise DataError(f"{name} is stored by the hour: name a partition or a range of them.")
    return name, sorted(parse_hour(key) for key in context.asset_partition_keys)


def _as_load(name: str, made: object) -> HourlyLoad:
    match made:
        case HourlyLoad():
            return made
        case HourlyFrame():
            return HourlyLoad.of(name, made)
    raise DataError(
        f"{name}: the asset returned a value of the type {type(made).__name__}. ClickHouse takes an HourlyFrame: the "
        "rows, and of each hour when its source was read."
    )
