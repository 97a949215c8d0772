"""The sensor of late hours: what changed in the sources behind the refresh's back is loaded again."""

from datetime import UTC, datetime

import dagster as dg

from bionicpro_assets.defs import keys
from bionicpro_assets.defs.resources import PostgresResource
from bionicpro_assets.errors import PlatformError
from bionicpro_assets.hours import describe_ranges
from bionicpro_assets.late.cursor import Cursor
from bionicpro_assets.late.find import Finder
from bionicpro_assets.late.plan import Plan
from bionicpro_assets.runs import ask_tags
from bionicpro_assets.settings import Settings

SECONDS_BETWEEN_TICKS = 300


def late_hours(settings: Settings) -> dg.Definitions:
    """The sensor, which asks the job for hours older than the lookback whose sources have changed since."""

    @dg.sensor(
        name=keys.LATE_SENSOR,
        job_name=keys.JOB,
        minimum_interval_seconds=SECONDS_BETWEEN_TICKS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Finds hours older than the refresh's window whose telemetry came or changed late, or whose chips "
        "the CRM has got to know, and loads just these again.",
    )
    def late_hours_sensor(
        context: dg.SensorEvaluationContext,
        bionicpro_crm_db: dg.ResourceParam[PostgresResource],
        bionicpro_telemetry_db: dg.ResourceParam[PostgresResource],
    ) -> dg.SensorResult:
        finder = Finder(
            context.instance, bionicpro_crm_db.source, bionicpro_telemetry_db.source, settings, datetime.now(UTC)
        )
        try:
            tick = finder.tick(_cursor(context))
        except PlatformError as error:
            # A failed tick is red in the UI, says this sentence, and leaves the cursor where it was.
            raise dg.Failure(description=str(error)) from None
        if tick.plan.given_up:
            context.log.error(_in_words(tick.plan))
        requests = [dg.RunRequest(r.key, tags=ask_tags(r.hours, "late hours", r.since)) for r in tick.plan.requests]
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else _in_words(tick.plan),
            cursor=tick.cursor.json(),
        )

    return dg.Definitions(sensors=[late_hours_sensor])


def _cursor(context: dg.SensorEvaluationContext) -> Cursor | None:
    if not context.cursor:
        return None
    try:
        return Cursor.parse(context.cursor)
    except ValueError as error:
        context.log.warning(f"Beginning anew: {error}.")
        return None


def _in_words(plan: Plan) -> str:
    sentences = []
    if plan.waiting:
        hours = describe_ranges(plan.waiting)
        sentences.append(f"Late hours whose runs aren't over, or whose turn comes later: {hours}.")
    if plan.given_up:
        hours = describe_ranges(plan.given_up)
        sentences.append(
            f"Late hours that were asked for too often and are given up: {hours}. See why their runs failed, then load "
            "them: bionicpro materialize --from … --to …, or a backfill in the UI."
        )
    return " ".join(sentences) or "No hour is late."
