"""The job and its schedule: what the Airflow DAG `bionicpro_reports_etl` was."""

from typing import TYPE_CHECKING

import dagster as dg

from bionicpro_assets.defs import keys
from bionicpro_assets.hours import describe_ranges, partition_key, refresh_window
from bionicpro_assets.late.catch_up import catch_up
from bionicpro_assets.runs import ask_tags, range_tags
from bionicpro_assets.settings import Settings

if TYPE_CHECKING:
    # What define_asset_job returns; the type has no public name.
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition as AssetJob

MAX_RUNTIME_SECONDS = 30 * 60


def etl_job(settings: Settings) -> "AssetJob":
    """The job over one window of hours."""
    selected = list(keys.PUBLISHED)
    if settings.rollup == "platform":
        selected.append(keys.HOURLY_STATS)
    return dg.define_asset_job(
        keys.JOB,
        selection=dg.AssetSelection.assets(*selected),
        description="Loads a window of hours from both databases into the mart; every 15 minutes, the last hours.",
        tags={"dagster/max_runtime": str(MAX_RUNTIME_SECONDS)},
    )


def reports_etl(settings: Settings, job: "AssetJob") -> dg.Definitions:
    """The job and its schedule.

    Every quarter of an hour the schedule asks for one run over the hours from now minus the lookback to the open
    one, and for runs over hours that were never loaded, by the rule of `late.catch_up`. Ticks missed while the daemon
    was down are not made up for one by one.
    """

    @dg.schedule(
        name=keys.SCHEDULE,
        job=job,
        cron_schedule="*/15 * * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Loads the last {settings.lookback_hours} hours and the open one, every 15 minutes; and hours "
        f"of the last {settings.max_catchup_hours} that were never loaded.",
    )
    def every_15_minutes(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        now = context.scheduled_execution_time
        hours = refresh_window(now, lookback_hours=settings.lookback_hours, start=settings.partitions_start)
        if not hours:
            return dg.SkipReason(
                f"The first hour to load, {settings.partitions_start:%Y-%m-%d %H:%M} UTC, hasn't begun."
            )
        missing = catch_up(context.instance, settings, now)
        if missing.given_up:
            hours_in_words = describe_ranges(missing.given_up)
            context.log.error(f"Missing hours were asked for too often and are given up: {hours_in_words}.")
        return [
            # The refresh first: should the daemon die in between, the next evaluation of this tick finds it done.
            dg.RunRequest(run_key="refresh", tags=range_tags(partition_key(hours[0]), partition_key(hours[-1]))),
            *(dg.RunRequest(run_key=r.key, tags=ask_tags(r.hours, "missing hours", r.since)) for r in missing.requests),
        ]

    return dg.Definitions(jobs=[job], schedules=[every_15_minutes])
