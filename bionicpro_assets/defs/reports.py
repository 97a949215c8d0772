"""The mart: telemetry joined with the people who wear the prostheses; and the quarantine, what can't be joined."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from bionicpro_assets.defs import keys
from bionicpro_assets.defs.hourly import Hourly, clear_failure, hours_of
from bionicpro_assets.defs.io_manager import ClickHouseIOManager
from bionicpro_assets.defs.metadata import column_lineage, table_metadata, totals
from bionicpro_assets.frames import HourlyLoad
from bionicpro_assets.load.publish import Publication
from bionicpro_assets.load.quarantine import QUARANTINE
from bionicpro_assets.load.table import Published
from bionicpro_assets.runs import reads_afresh
from bionicpro_assets.steps.mart import REASONS, mart_load
from bionicpro_assets.transform.join import CRM_COLUMNS, FROM_CRM, NUMBERS

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


def mart(hourly: Hourly, report_timezone: str, chunk_rows: int) -> dg.AssetsDefinition:
    """The mart that all reports read, and the quarantine beside it: one join makes both, `chunk_rows` rows at once."""

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
            metadata={**table_metadata(key), **metadata},
            freshness_policy=freshness,
        )

    @hourly.multi_asset(
        name="transform_and_join",
        ins={
            "crm": dg.AssetIn(key=keys.CRM_EXTRACT, metadata={"columns": CRM_COLUMNS}),
            "telemetry": dg.AssetIn(key=keys.TELEMETRY_EXTRACT),
        },
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
        crm: Published,
        telemetry: Published,
        clickhouse_io_manager: dg.ResourceParam[ClickHouseIOManager],
    ) -> Iterator[dg.Output[HourlyLoad]]:
        with clear_failure():
            load = mart_load(
                clickhouse_io_manager.client,
                crm,
                telemetry,
                hours_of(context),
                report_timezone=report_timezone,
                chunk_rows=chunk_rows,
                now=datetime.now(UTC),
                afresh=reads_afresh(context.run.tags),
            )
        # One load: both become visible at once, so that at no moment a row is in neither of the two, or in both.
        yield dg.Output(load, "rejected_telemetry")
        yield dg.Output(load, "user_prosthesis_stats")
        _tell_reasons(context, clickhouse_io_manager.published[QUARANTINE])

    return transform_and_join


def _tell_reasons(context: dg.AssetExecutionContext, publication: Publication) -> None:
    """Say in the log why rows were set aside."""
    if reasons := totals(publication).get(REASONS):
        why = "; ".join(f"{count} because {reason}" for reason, count in reasons.items())
        context.log.warning(
            f"{publication.rows} rows of telemetry are set aside in {QUARANTINE}, and aren't in the reports: {why}"
        )
