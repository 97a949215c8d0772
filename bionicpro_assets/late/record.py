"""What Dagster's record says of the hours: what was loaded, from which state of the source, what found no wearer."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from dagster import AssetRecordsFilter, DagsterEventType
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecord,
    AssetCheckExecutionRecordStatus,
)

from bionicpro_assets.alerts.partitions import packed, unpacked
from bionicpro_assets.defs import keys
from bionicpro_assets.defs.metadata import ROLLED_UP_AT, SOURCE_READ_AT
from bionicpro_assets.hours import parse_hour, partition_key
from bionicpro_assets.load.table import EPOCH
from bionicpro_assets.standing import look
from bionicpro_assets.steps.mart import REJECTED_CHIPS

# Metadata of the check on what stands: hours to load again, by when they were first seen to be damaged.
DAMAGED = "hours_to_load_again"


@dataclass(frozen=True, slots=True)
class Loaded:
    """The last materialisation of one hour of one asset.

    Attributes:
        event: Its place in Dagster's record: a later one is greater.
        metadata: Its metadata by label, plain values.
        at: When, by the clock of the run.
    """

    event: int
    metadata: dict[str, Any]
    at: datetime = EPOCH

    def instant(self, label: str) -> datetime | None:
        """The instant in the metadata of that label, if it is there."""
        value = self.metadata.get(label)
        return datetime.fromtimestamp(value, UTC) if isinstance(value, int | float) else None


def last_loaded(
    instance: dg.DagsterInstance, key: dg.AssetKey, hours: Collection[datetime] | None = None
) -> dict[datetime, Loaded]:
    """Of each of the hours that was ever materialised, its last materialisation; of all hours by default.

    Two queries whatever the number of partitions, and one event read for each hour that is found.
    """
    if hours is not None and not hours:
        return {}
    partitions = {partition_key(hour) for hour in hours} if hours is not None else None
    events = instance.get_latest_storage_id_by_partition(key, DagsterEventType.ASSET_MATERIALIZATION, partitions)
    if not events:
        return {}
    records = instance.fetch_materializations(
        AssetRecordsFilter(key, storage_ids=list(events.values())), limit=len(events)
    ).records
    return {
        parse_hour(record.partition_key): Loaded(
            record.storage_id,
            {label: entry.value for label, entry in record.asset_materialization.metadata.items()},
            datetime.fromtimestamp(record.timestamp, UTC),
        )
        for record in records
        if record.partition_key and record.asset_materialization
    }


def missing_hours(
    instance: dg.DagsterInstance, assets: Iterable[dg.AssetKey], hours: Collection[datetime]
) -> list[datetime]:
    """The hours that one of the assets was never materialised for. One query an asset, no event is read."""
    if not hours:
        return []
    partitions = {partition_key(hour): hour for hour in hours}
    missing: set[datetime] = set()
    for asset in assets:
        events = instance.get_latest_storage_id_by_partition(
            asset, DagsterEventType.ASSET_MATERIALIZATION, set(partitions)
        )
        missing |= {hour for key, hour in partitions.items() if key not in events}
    return sorted(missing)


def last_load_at(instance: dg.DagsterInstance) -> datetime | None:
    """When anything was last loaded into the mart; None if nothing ever was."""
    return _edge(instance, ascending=False)


def first_load_at(instance: dg.DagsterInstance) -> datetime | None:
    """When anything was first loaded into the mart; None if nothing ever was."""
    return _edge(instance, ascending=True)


def read_since(loaded: Loaded | None, instant: datetime | None) -> bool:
    """Whether an hour was loaded from a read of the source at that instant or later."""
    read_at = loaded.instant(SOURCE_READ_AT) if loaded else None
    return read_at is not None and instant is not None and read_at >= instant


def rolled_up_since(rollup: Loaded | None, mart: Loaded | None, instant: datetime) -> bool:
    """Whether the mart's hour was read after a roll-up that began at that instant or later."""
    rolled_up_at = rollup.instant(ROLLED_UP_AT) if rollup else None
    return rolled_up_at is not None and rolled_up_at >= instant and read_since(mart, rolled_up_at)


def joined_since(crm: Loaded | None, mart: Loaded | None, instant: datetime) -> bool:
    """Whether the mart's hour was joined with an answer of the CRM from that instant or later."""
    return crm is not None and mart is not None and read_since(crm, instant) and mart.event > crm.event


def quarantined_hours(instance: dg.DagsterInstance) -> dict[datetime, set[str]]:
    """The hours with telemetry that found no wearer when they were last loaded, and the chips it came from."""
    found = {}
    for hour, loaded in last_loaded(instance, keys.QUARANTINE).items():
        chips = loaded.metadata.get(REJECTED_CHIPS)
        if isinstance(chips, str):
            chips = json.loads(chips)
        if chips:
            found[hour] = {str(chip) for chip in chips}
    return found


def record_of(instance: dg.DagsterInstance) -> look.Record:
    """What the record says was loaded, as the look at what stands compares it with the tables."""

    def hours(table: str) -> set[datetime]:
        return {parse_hour(key) for key in instance.get_materialized_partitions(dg.AssetKey(table.split(".")))}

    def loaded(table: str, hours: Collection[datetime]) -> dict[datetime, look.Loaded]:
        found = last_loaded(instance, dg.AssetKey(table.split(".")), hours)
        return {
            hour: look.Loaded(
                int(last.metadata["publication"]), int(last.metadata["dagster/partition_row_count"]), read_at
            )
            for hour, last in found.items()
            if (read_at := last.instant(SOURCE_READ_AT)) and "publication" in last.metadata
        }

    return look.Record(hours, loaded)


@dataclass(frozen=True, slots=True)
class Damage:
    """What the last look at what stands asked to be loaded again.

    Attributes:
        at: When it looked.
        hours: The hours, and since when each is known to be damaged.
    """

    at: datetime
    hours: Mapping[datetime, datetime]


def damage(instance: dg.DagsterInstance) -> Damage:
    """The hours that the last look found damaged; none if there was none."""
    # There is no public method for it yet; integration/test_claims.py holds this one.
    found = instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(keys.JOURNAL, keys.STANDS),
        limit=1,
        status={AssetCheckExecutionRecordStatus.FAILED, AssetCheckExecutionRecordStatus.SUCCEEDED},
    )
    event = found[0].event.dagster_event if found and found[0].event else None
    if event is None:
        return Damage(EPOCH, {})
    told = event.asset_check_evaluation_data.metadata.get(DAMAGED)
    kept = told.data if isinstance(told, dg.JsonMetadataValue) and isinstance(told.data, dict) else {}
    hours = {parse_hour(key): datetime.fromisoformat(since) for since, packs in kept.items() for key in unpacked(packs)}
    return Damage(datetime.fromtimestamp(event_time(found[0]), UTC), hours)


def event_time(record: AssetCheckExecutionRecord) -> float:
    """When a check was evaluated, in Unix seconds: its run's clock, as of a materialisation."""
    return record.event.timestamp if record.event else record.create_timestamp


def as_metadata(hours: Mapping[datetime, datetime]) -> dict[str, list[str]]:
    """Damaged hours, each with when it was first seen, as `damage` reads them."""
    return {
        since.isoformat(): packed(partition_key(hour) for hour in hours if hours[hour] == since)
        for since in sorted(set(hours.values()))
    }


def _edge(instance: dg.DagsterInstance, *, ascending: bool) -> datetime | None:
    records = instance.fetch_materializations(keys.MART, limit=1, ascending=ascending).records
    return datetime.fromtimestamp(records[0].timestamp, UTC) if records else None
