"""The mart: telemetry joined with the people who wear the prostheses."""

from datetime import UTC, datetime

import dagster as dg

from bionicpro_assets.defs import keys
from bionicpro_assets.defs.hourly import Hourly, clear_failure, hours_of
from bionicpro_assets.defs.metadata import SOURCE_READ_AT, add_rows_per_hour, column_lineage
from bionicpro_assets.frames import HourlyFrame
from bionicpro_assets.hours import partition_key
from bionicpro_assets.transform.join import FROM_CRM, NUMBERS, join_telemetry_with_customers

LINEAGE = {
    **{column: [(keys.CRM_EXTRACT, source)] for column, source in FROM_CRM.items()},
    **{column: [(keys.TELEMETRY_EXTRACT, column)] for column in NUMBERS},
    "prosthesis_id": [(keys.CRM_EXTRACT, "prosthesis_id")],
    "chip_id": [(keys.TELEMETRY_EXTRACT, "chip_id"), (keys.CRM_EXTRACT, "chip_id")],
    "report_date": [(keys.TELEMETRY_EXTRACT, "hour_start")],
    "report_hour": [(keys.TELEMETRY_EXTRACT, "hour_start")],
    "source_updated_at": [(keys.TELEMETRY_EXTRACT, "updated_at")],
}
UNMATCHED_SAMPLE = 20


def mart(hourly: Hourly, report_timezone: str) -> dg.AssetsDefinition:
    """The mart that all reports read."""

    @hourly.asset(
        key=keys.MART,
        ins={"crm": dg.AssetIn(key=keys.CRM_EXTRACT), "telemetry": dg.AssetIn(key=keys.TELEMETRY_EXTRACT)},
        io_manager_key=keys.CLICKHOUSE_IO_MANAGER,
        freshness_policy=hourly.freshness,
        group_name="reports",
        owners=["team:reports"],
        kinds={"polars", "clickhouse"},
        tags={"airflow_task": "transform_and_join"},
        metadata={**column_lineage(LINEAGE), "report_timezone": report_timezone},
    )
    def user_prosthesis_stats(
        context: dg.AssetExecutionContext, crm: HourlyFrame, telemetry: HourlyFrame
    ) -> HourlyFrame:
        """What every prosthesis did in every hour, with the patient who wears it: the table all reports read.

        One row per prosthesis and hour: movements and how many succeeded, response times, battery, temperature,
        errors and warnings, beside the patient's name and the model. A measurement that didn't happen in the
        hour is 0. Hours are in the report time zone. Telemetry whose chip the CRM doesn't know is counted as
        `unmatched_rows` and isn't here. Rows are kept for 365 days.

        Stands for the Airflow tasks `transform_and_join` and, with the ClickHouse IO manager, `load_to_clickhouse`.
        """
        with clear_failure():
            hours_of(context)
            joined = join_telemetry_with_customers(
                crm.rows, telemetry.rows, report_timezone=report_timezone, processed_at=datetime.now(UTC)
            )
        frame = HourlyFrame(joined.rows, telemetry.read_at)
        unmatched = HourlyFrame(joined.unmatched, telemetry.read_at)
        add_rows_per_hour(context, {partition_key(h): n for h, n in frame.rows_per_hour().items()})
        for hour, read_at in frame.read_at.items():
            # The window's instant is the newest of its hours; each hour has its own.
            own = {SOURCE_READ_AT: dg.MetadataValue.timestamp(read_at)}
            context.add_asset_metadata(own, partition_key=partition_key(hour))
        for hour, count in unmatched.rows_per_hour().items():
            context.add_asset_metadata({"unmatched_rows_of_hour": count}, partition_key=partition_key(hour))
        chips = joined.unmatched["chip_id"].unique().sort()
        context.add_output_metadata(
            {
                "unmatched_rows": joined.unmatched.height,
                "unmatched_chips": chips.head(UNMATCHED_SAMPLE).to_list(),
            }
        )
        if len(chips):
            context.log.warning(
                f"{joined.unmatched.height} rows of telemetry are from {len(chips)} chips that the CRM doesn't know, "
                f"like {chips[0]}; they are in {keys.table_name(keys.TELEMETRY_EXTRACT)} and not in the reports."
            )
        return frame

    return user_prosthesis_stats
