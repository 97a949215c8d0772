"""The telemetry database: raw rows, their hourly roll-up, and its extract."""

from typing import Literal

import dagster as dg

from bionicpro_assets.defs import keys
from bionicpro_assets.defs.hourly import Hourly, clear_failure, hours_of
from bionicpro_assets.defs.io_manager import ClickHouseIOManager
from bionicpro_assets.defs.metadata import ROLLED_UP_AT, column_lineage
from bionicpro_assets.defs.resources import PostgresResource
from bionicpro_assets.defs.verdicts import contract_told
from bionicpro_assets.extract.telemetry import roll_up
from bionicpro_assets.frames import HourlyLoad
from bionicpro_assets.hours import partition_key
from bionicpro_assets.quality.source_claims import telemetry_contract
from bionicpro_assets.runs import reads_afresh
from bionicpro_assets.steps.telemetry import telemetry_load

GROUP = "telemetry"
OWNERS = ["team:telemetry"]

ROLLUP_DESCRIPTION = """Telemetry by the hour: movements, response times, battery, temperature, errors.

One row per chip and hour, computed inside PostgreSQL from the raw rows by `telemetry.aggregate_hourly_stats`.
Rolling an hour up again changes only what came out different."""
ROLLUP_METADATA = {"dagster/table_name": f"telemetry_db.{keys.table_name(keys.HOURLY_STATS)}"}
ROLLUP_LINEAGE = {
    "chip_id": ["chip_id"],
    "hour_start": ["timestamp"],
    "movements_count": ["movement_type"],
    "successful_movements": ["movement_type", "movement_success"],
    "avg_response_time": ["response_time_ms"],
    "min_response_time": ["response_time_ms"],
    "max_response_time": ["response_time_ms"],
    "avg_battery_level": ["battery_level"],
    "min_battery_level": ["battery_level"],
    "max_battery_level": ["battery_level"],
    "avg_actuator_temp": ["actuator_temp"],
    "max_actuator_temp": ["actuator_temp"],
    "error_count": ["error_code"],
    "warning_count": ["warning_flags"],
    "avg_myo_amplitude": ["myo_channel_1", "myo_channel_2", "myo_channel_3", "myo_channel_4"],
    "avg_connection_quality": ["connection_quality"],
}
EXTRACT_LINEAGE = {column: [(keys.HOURLY_STATS, column)] for column in [*ROLLUP_LINEAGE, "updated_at"]} | {
    "success_rate": [(keys.HOURLY_STATS, "successful_movements"), (keys.HOURLY_STATS, "movements_count")]
}


def telemetry_sources() -> list[dg.AssetSpec]:
    """The telemetry tables that others write."""
    return [
        dg.AssetSpec(
            keys.RAW_TELEMETRY,
            description="What the prostheses send: about one row a second from each one in use.",
            group_name=GROUP,
            owners=OWNERS,
            kinds={"postgres", "table"},
            metadata={"dagster/table_name": f"telemetry_db.{keys.table_name(keys.RAW_TELEMETRY)}"},
        )
    ]


def hourly_rollup(hourly: Hourly, who: Literal["platform", "external"]) -> dg.AssetsDefinition | dg.AssetSpec:
    """The hourly roll-up: an asset that runs it, or the table somebody else keeps."""
    metadata = ROLLUP_METADATA | column_lineage(
        {column: [(keys.RAW_TELEMETRY, raw) for raw in sources] for column, sources in ROLLUP_LINEAGE.items()}
    )
    if who == "external":
        return dg.AssetSpec(
            keys.HOURLY_STATS,
            deps=[keys.RAW_TELEMETRY],
            description=f"{ROLLUP_DESCRIPTION} Kept up to date outside this platform.",
            group_name=GROUP,
            owners=OWNERS,
            kinds={"postgres", "table"},
            metadata=metadata,
        )

    @hourly.asset(
        key=keys.HOURLY_STATS,
        deps=[keys.RAW_TELEMETRY],
        description=ROLLUP_DESCRIPTION,
        group_name=GROUP,
        owners=OWNERS,
        kinds={"postgres"},
        metadata=metadata,
    )
    def hourly_stats(
        context: dg.AssetExecutionContext, bionicpro_telemetry_db: dg.ResourceParam[PostgresResource]
    ) -> dg.MaterializeResult[None]:
        with clear_failure():
            rolled_up = roll_up(bionicpro_telemetry_db.source, hours_of(context))
        if rolled_up.upkeep_problem:
            context.log.warning(f"The partitions of raw_telemetry couldn't be looked after: {rolled_up.upkeep_problem}")
        for hour, rows in rolled_up.written.items():
            context.add_asset_metadata({"rows_changed": rows}, partition_key=partition_key(hour))
        began_at = dg.MetadataValue.timestamp(rolled_up.began_at)
        outside = {"raw_rows_outside_partitions": rolled_up.outside} if rolled_up.outside else {}
        return dg.MaterializeResult(
            metadata={"hours": len(rolled_up.written), ROLLED_UP_AT: began_at, **outside, **metadata}
        )

    return hourly_stats


def telemetry_extract(hourly: Hourly, chunk_rows: int) -> dg.AssetsDefinition:
    """The extract of the rolled-up telemetry, read `chunk_rows` rows at a time."""

    @hourly.asset(
        key=keys.TELEMETRY_EXTRACT,
        deps=[keys.HOURLY_STATS],
        io_manager_key=keys.CLICKHOUSE_IO_MANAGER,
        freshness_policy=hourly.freshness,
        group_name=GROUP,
        owners=OWNERS,
        kinds={"postgres", "clickhouse"},
        tags={"airflow_task": "extract_telemetry_data"},
        metadata=column_lineage(EXTRACT_LINEAGE),
    )
    def hourly_telemetry(
        context: dg.AssetExecutionContext,
        bionicpro_telemetry_db: dg.ResourceParam[PostgresResource],
        clickhouse_io_manager: dg.ResourceParam[ClickHouseIOManager],
    ) -> HourlyLoad:
        """Telemetry by the hour as it was read: one row per chip and hour, whoever wears the chip.

        Nothing is left out: what can't be in the reports, because nobody is known to have worn the chip or because
        its values are impossible, is here as it was read, and in `quarantine/rejected_telemetry` with the reason.
        Empty cells are measurements that didn't happen in the hour.

        Stands for the Airflow task `extract_telemetry_data`.
        """
        with clear_failure():
            load = telemetry_load(
                bionicpro_telemetry_db.source,
                clickhouse_io_manager.client,
                hours_of(context),
                chunk_rows=chunk_rows,
                afresh=reads_afresh(context.run.tags),
            )
        return contract_told(context, telemetry_contract(), load)

    return hourly_telemetry
