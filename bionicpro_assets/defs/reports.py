"""The mart: telemetry joined with the people who wear the prostheses; and the quarantine, what can't be joined."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import polars as pl

from bionicpro_assets.defs import keys
from bionicpro_assets.defs.hourly import Hourly, clear_failure, hours_of
from bionicpro_assets.defs.metadata import REJECTED_CHIPS, SOURCE_READ_AT, add_per_hour, column_lineage
from bionicpro_assets.defs.resources import ClickHouseResource
from bionicpro_assets.frames import HourlyFrame
from bionicpro_assets.load.quarantine import with_first_rejected
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
REJECTED_LINEAGE = {column: [(keys.TELEMETRY_EXTRACT, column)] for column in ["hour_start", "chip_id", *NUMBERS]} | {
    "reason": [(keys.TELEMETRY_EXTRACT, "chip_id"), (keys.CRM_EXTRACT, "chip_id"), (keys.CRM_EXTRACT, "ownership")]
}
MART_DESCRIPTION = """What every prosthesis did in every hour, with the patient who wore it: the table all reports read.

One row per prosthesis and hour: movements and how many succeeded, response times, battery, temperature, errors and
warnings, beside the patient's name and the model. A measurement that didn't happen in the hour is 0. Hours are in the
report time zone. Telemetry that can't be attributed, or whose values are impossible, isn't here: it is in
`quarantine/rejected_telemetry`, with the reason. Rows are kept for 365 days.

Stands for the Airflow tasks `transform_and_join` and, with the ClickHouse IO manager, `load_to_clickhouse`."""
QUARANTINE_DESCRIPTION = """Telemetry that isn't in the reports, and why: one row per chip and hour.

Either nobody is known to have worn the chip in the hour, or a value is impossible (more successful movements than
movements, a percentage above 100, and the like). Nothing has to be done here: when the cause is gone, because the CRM
has learnt the chip or the source was corrected, the hour is loaded again and the row moves to the reports by itself."""
SAMPLE = 20
# Chips of one hour that its materialisation names; the sensor of late hours asks the CRM for them.
CHIPS_NAMED = 1000


def mart(hourly: Hourly, report_timezone: str) -> dg.AssetsDefinition:
    """The mart that all reports read, and the quarantine beside it: one join makes both."""

    def out(
        key: dg.AssetKey, description: str, metadata: Mapping[str, Any], freshness: dg.FreshnessPolicy | None
    ) -> dg.AssetOut:
        return dg.AssetOut(
            key=key,
            description=description,
            io_manager_key=keys.CLICKHOUSE_IO_MANAGER,
            group_name="reports",
            owners=["team:reports"],
            kinds={"polars", "clickhouse"},
            tags={"airflow_task": "transform_and_join"},
            metadata={"dagster/table_name": keys.table_name(key), **metadata},
            freshness_policy=freshness,
        )

    @hourly.multi_asset(
        name="transform_and_join",
        ins={"crm": dg.AssetIn(key=keys.CRM_EXTRACT), "telemetry": dg.AssetIn(key=keys.TELEMETRY_EXTRACT)},
        outs={
            "rejected_telemetry": out(
                keys.QUARANTINE, QUARANTINE_DESCRIPTION, column_lineage(REJECTED_LINEAGE), freshness=None
            ),
            "user_prosthesis_stats": out(
                keys.MART,
                MART_DESCRIPTION,
                {"report_timezone": report_timezone, **column_lineage(LINEAGE)},
                hourly.freshness,
            ),
        },
    )
    def transform_and_join(
        context: dg.AssetExecutionContext,
        crm: HourlyFrame,
        telemetry: HourlyFrame,
        bionicpro_clickhouse: ClickHouseResource,
    ) -> Iterator[dg.Output[HourlyFrame]]:
        now = datetime.now(UTC)
        with clear_failure():
            hours = hours_of(context)
            joined = join_telemetry_with_customers(
                crm.rows, telemetry.rows, report_timezone=report_timezone, processed_at=now
            )
            rejected = with_first_rejected(bionicpro_clickhouse.clickhouse, joined.rejected, hours, now=now)
        # First what is kept aside: at no moment a row is in neither of the two for good.
        yield _quarantined(context, HourlyFrame(rejected, telemetry.read_at))
        frame = HourlyFrame(joined.rows, telemetry.read_at)
        assumed = {hour: joined.assumed.get(hour, 0) for hour in hours}
        # The window's instant is the newest of its hours; each hour has its own.
        read_at = {hour: dg.MetadataValue.timestamp(at) for hour, at in frame.read_at.items()}
        add_per_hour(context, frame, keys.MART, {"assumed_rows_of_hour": assumed, SOURCE_READ_AT: read_at})
        more = {"rejected_rows": rejected.height, "assumed_rows": sum(assumed.values())}
        yield dg.Output(frame, "user_prosthesis_stats", metadata=more)

    return transform_and_join


def _quarantined(context: dg.AssetExecutionContext, frame: HourlyFrame) -> dg.Output[HourlyFrame]:
    """The output of the quarantine, with its reasons counted and its chips named hour by hour."""
    by_hour = frame.rows.filter(pl.col("no_wearer") == 1).group_by("hour_start").agg(pl.col("chip_id").sort())
    chips = {hour: named[:CHIPS_NAMED] for hour, named in by_hour.iter_rows()}
    add_per_hour(context, frame, keys.QUARANTINE, {REJECTED_CHIPS: {hour: chips.get(hour, []) for hour in frame.hours}})
    reasons = frame.rows.group_by("reason").len().sort("len", descending=True).head(SAMPLE)
    if not frame.rows.is_empty():
        why = "; ".join(f"{count} because {reason}" for reason, count in reasons.iter_rows())
        context.log.warning(
            f"{frame.rows.height} rows of telemetry are set aside in {keys.table_name(keys.QUARANTINE)}, and aren't in "
            f"the reports: {why}"
        )
    return dg.Output(frame, "rejected_telemetry", metadata={"reasons": dict(reasons.iter_rows())})
