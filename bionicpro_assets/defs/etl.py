"""The job and its schedule: what the Airflow DAG `bionicpro_reports_etl` was."""

import dagster as dg

from bionicpro_assets.defs import keys
from bionicpro_assets.hours import partition_key, refresh_window
from bionicpro_assets.settings import Settings

RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"
MAX_RUNTIME_SECONDS = 30 * 60


def range_tags(first: str, last: str) -> dict[str, str]:
    """Tags of one run over a range of partitions, both included. Scheduled runs go before backfills."""
    return {RANGE_START_TAG: first, RANGE_END_TAG: last, "dagster/priority": "10"}


def reports_etl(settings: Settings) -> dg.Definitions:
    """The job, one run over a window of hours, and its schedule.

    Every quarter of an hour the schedule asks for one run over the hours from now minus the lookback to the open
    one. Ticks missed while the daemon was down are not made up for one by one.
    """
    selected = list(keys.PUBLISHED)
    if settings.rollup == "platform":
        selected.append(keys.HOURLY_STATS)
    job = dg.define_asset_job(
        keys.JOB,
        selection=dg.AssetSelection.assets(*selected),
        description="Loads a window of hours from both databases into the mart; every 15 minutes, the last hours.",
        tags={"dagster/max_runtime": str(MAX_RUNTIME_SECONDS)},
    )

    @dg.schedule(
        name=keys.SCHEDULE,
        job=job,
        cron_schedule="*/15 * * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Loads the last {settings.lookback_hours} hours and the open one, every 15 minutes.",
    )
    def every_15_minutes(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        hours = refresh_window(
            context.scheduled_execution_time, lookback_hours=settings.lookback_hours, start=settings.partitions_start
        )
        if not hours:
            return dg.SkipReason(
                f"The first hour to load, {settings.partitions_start:%Y-%m-%d %H:%M} UTC, hasn't begun."
            )
        return dg.RunRequest(tags=range_tags(partition_key(hours[0]), partition_key(hours[-1])))

    return dg.Definitions(jobs=[job], schedules=[every_15_minutes])
