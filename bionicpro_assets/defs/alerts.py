"""Being told: the sensor that looks for problems and sends messages about them."""

from datetime import UTC, datetime

import dagster as dg

from bionicpro_assets.alerts.look import look
from bionicpro_assets.alerts.setup import channels_of, secrets_in
from bionicpro_assets.alerts.state import State
from bionicpro_assets.defs import keys
from bionicpro_assets.defs.alert_facts import FIRST_LOOK, Facts
from bionicpro_assets.settings import Settings

SECONDS_BETWEEN_LOOKS = 30


def alerts(settings: Settings) -> dg.Definitions:
    """The sensor, if there is anywhere to send messages to; else nothing."""
    channels = channels_of(settings)
    if not channels:
        return dg.Definitions()
    secrets = secrets_in(settings)
    ui_url = settings.ui_url or ""

    @dg.sensor(
        name=keys.ALERTS_SENSOR,
        minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Tells of failed runs, failed checks and stale assets: {', '.join(c.name for c in channels)}.",
    )
    def tell_of_problems(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        at = datetime.now(UTC)
        kept = State.of_json(context.cursor)
        if context.cursor and kept is None:
            context.log.warning("The cursor isn't one of this sensor's: looking back one day, as the first time.")
        assert context.repository_def is not None  # noqa: S101 - Dagster gives it to every sensor of a code location
        facts = Facts(context.instance, context.repository_def, secrets)
        runs, state = facts.finished_runs(kept or State(at - FIRST_LOOK), at)
        retried = facts.retried(p.last_run for p in state.open if p.retry)
        state, said = look(state, runs, retried, facts.stale_assets(ui_url), channels, at, ui_url=ui_url)
        context.update_cursor(state.as_json())
        for sentence in said:
            context.log.warning(sentence)
        return dg.SkipReason(_summary(state, said))

    return dg.Definitions(sensors=[tell_of_problems])


def _summary(state: State, said: list[str]) -> str:
    parts = [f"Open problems: {len(state.told)}.", *said]
    if state.queue:
        parts.append(f"Messages waiting: {len(state.queue)}.")
    return " ".join(parts)
