"""Being told: the sensor that looks for problems and sends messages about them."""

from datetime import UTC, datetime

import dagster as dg

from bionicpro_assets.alerts.look import look
from bionicpro_assets.alerts.setup import channels_of, secrets_in
from bionicpro_assets.alerts.state import State
from bionicpro_assets.defs import keys
from bionicpro_assets.defs.alert_facts import FIRST_LOOK, Facts
from bionicpro_assets.defs.alert_freshness import stale_assets
from bionicpro_assets.settings import Settings

SECONDS_BETWEEN_LOOKS = 30


def alerts(settings: Settings) -> dg.Definitions:
    """The sensor, if there is anywhere to send messages to; else nothing."""
    channels = channels_of(settings)
    if not channels:
        return dg.Definitions()

    @dg.sensor(
        name=keys.ALERTS_SENSOR,
        minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Tells of failed runs, failed checks and stale assets: {', '.join(c.name for c in channels)}.",
    )
    def tell_of_problems(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        assert context.repository_def is not None  # noqa: S101 - Dagster gives it to every sensor of a code location
        cursor, said = tell(settings, context.instance, context.repository_def, context.cursor, datetime.now(UTC))
        context.update_cursor(cursor)
        for sentence in said[1:]:
            context.log.warning(sentence)
        return dg.SkipReason(" ".join(said))

    return dg.Definitions(sensors=[tell_of_problems])


def tell(
    settings: Settings,
    instance: dg.DagsterInstance,
    repository: dg.RepositoryDefinition,
    cursor: str | None,
    at: datetime,
) -> tuple[str, list[str]]:
    """One tick of the sensor: the next cursor, and sentences about the tick, of which the first is always there.

    Args:
        settings: The settings.
        instance: Where runs, checks and freshness are read.
        repository: What the code location has.
        cursor: The cursor that the last tick left.
        at: The instant of the tick.
    """
    ui_url, kept, said = settings.ui_url or "", State.of_json(cursor), []
    if cursor and kept is None:
        said.append("The cursor isn't one of this sensor's: looking back one day, as the first time.")
    facts = Facts(instance, repository, secrets_in(settings))
    runs, state, complete = facts.finished_runs(kept or State(at - FIRST_LOOK), at)
    retried = facts.retried(p.last_run for p in state.open if p.retry)
    stale = stale_assets(instance, facts.assets, ui_url)
    state, sent = look(state, runs, retried, stale, channels_of(settings), at, ui_url=ui_url, complete=complete)
    return state.as_json(), [f"Open problems: {len(state.told)}. Messages waiting: {len(state.queue)}.", *said, *sent]
