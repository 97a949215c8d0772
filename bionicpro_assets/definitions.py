"""The code location `bionicpro_assets`."""

from datetime import timedelta

import dagster as dg

from bionicpro_assets.defs import keys
from bionicpro_assets.defs.alerts import alerts
from bionicpro_assets.defs.checks import data_checks
from bionicpro_assets.defs.crm import crm_extract, crm_sources
from bionicpro_assets.defs.daily_job import daily_reports
from bionicpro_assets.defs.etl import etl_job, reports_etl
from bionicpro_assets.defs.hourly import Hourly
from bionicpro_assets.defs.io_manager import ClickHouseIOManager, refuse_unfit
from bionicpro_assets.defs.late import late_hours
from bionicpro_assets.defs.maintenance import maintenance
from bionicpro_assets.defs.observations import observation_schedule, observed
from bionicpro_assets.defs.operator_jobs import operator_jobs
from bionicpro_assets.defs.reports import mart
from bionicpro_assets.defs.resources import clickhouse_resources, source_resources
from bionicpro_assets.defs.telemetry import hourly_rollup, telemetry_extract, telemetry_sources
from bionicpro_assets.settings import Settings


def build_definitions(settings: Settings, *, retries: bool = True) -> dg.Definitions:
    """Everything Dagster knows of this platform, for these settings. Connects to nothing.

    Args:
        settings: The settings.
        retries: Whether failed steps are tried again; without, a person at a terminal needn't wait for it.
    """
    hourly = Hourly(
        settings.partitions_start, retries, timedelta(minutes=settings.fresh_minutes), settings.hours_per_run
    )
    clickhouse = clickhouse_resources()
    rollup = hourly_rollup(hourly, settings.rollup)
    job = etl_job(settings)
    stored = [
        crm_extract(hourly, settings.chunk_rows),
        telemetry_extract(hourly, settings.chunk_rows),
        mart(hourly, settings.report_timezone, settings.chunk_rows),
    ]
    refuse_unfit(stored)
    assets = dg.Definitions(
        assets=[
            *observed([*crm_sources(), *telemetry_sources(), *([rollup] if isinstance(rollup, dg.AssetSpec) else [])]),
            *([rollup] if isinstance(rollup, dg.AssetsDefinition) else []),
            *stored,
        ],
        asset_checks=data_checks(settings, hourly.retry_policy),
        resources={
            **source_resources(),
            **clickhouse,
            keys.CLICKHOUSE_IO_MANAGER: ClickHouseIOManager(
                clickhouse=clickhouse[keys.CLICKHOUSE], batch_size=settings.batch_size
            ),
        },
        # In process: all steps share one ClickHouse connection, and the embedded engine serves one process.
        # It holds for backfills and runs from the UI too, which don't go through the job.
        executor=dg.in_process_executor,
    )
    return dg.Definitions.merge(
        assets,
        reports_etl(settings, job),
        daily_reports(settings, hourly.retry_policy),
        late_hours(settings),
        operator_jobs(settings, job),
        observation_schedule(settings.rollup),
        maintenance(settings),
        alerts(settings),
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Reads the settings when the code location is loaded, not when this module is imported."""
    return build_definitions(Settings.load())
