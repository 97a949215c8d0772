"""The job of the days, and the schedule that asks for it: every morning, and when hours of a day were loaded again."""

from datetime import UTC

import dagster as dg

from bionicpro_assets.days import day_key
from bionicpro_assets.defs import keys
from bionicpro_assets.defs.daily import daily_assets, daily_checks
from bionicpro_assets.defs.days import Daily
from bionicpro_assets.late.days_due import due_days, ranges
from bionicpro_assets.runs import UNFINISHED, range_tags
from bionicpro_assets.settings import Settings


def daily_reports(settings: Settings, retry_policy: dg.RetryPolicy | None) -> dg.Definitions:
    """The daily assets, their checks, and the job with its schedule."""
    daily = Daily(settings.partitions_start, settings.report_timezone, retry_policy)
    job = dg.define_asset_job(
        keys.DAILY_JOB,
        selection=dg.AssetSelection.assets(keys.USER_DAILY, keys.FLEET_REPORT),
        description="Counts, draws and checks days, and writes the fleet's page of each.",
        tags={"dagster/max_runtime": "1800"},
    )

    @dg.schedule(
        name=keys.DAILY_SCHEDULE,
        job=job,
        cron_schedule="25 * * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Tells a day of {settings.report_timezone} once it is over and loaded, and again when hours of it "
        "were loaded since: looks every hour which days these are.",
    )
    def every_hour(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        if context.instance.get_runs(dg.RunsFilter(job_name=keys.DAILY_JOB, statuses=UNFINISHED), limit=1):
            return dg.SkipReason("The last run that was asked for hasn't ended.")
        days = due_days(context.instance, settings, context.scheduled_execution_time.astimezone(UTC))
        if not days:
            return dg.SkipReason("Every day that is over was told since its hours were last loaded.")
        return [
            # Whatever loads goes first.
            dg.RunRequest(run_key=day_key(first), tags=range_tags(day_key(first), day_key(last), priority=-1))
            for first, last in ranges(days)
        ]

    return dg.Definitions(
        assets=daily_assets(daily, settings),
        asset_checks=[daily_checks(daily, settings)],
        jobs=[job],
        schedules=[every_hour],
    )
