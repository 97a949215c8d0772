"""Examining Dagster: the daemon, the schedules and sensors, the queue, the last runs."""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

# Not marked as public; nor is there a public way to a tick and its error. test_doctor notices when it moves.
from dagster._core.scheduler.instigation import InstigatorState, InstigatorTick, TickStatus

from bionicpro_assets.alerts.setup import secrets_in
from bionicpro_assets.alerts.text import redacted
from bionicpro_assets.defs import keys
from bionicpro_assets.doctor.finding import Finding, State
from bionicpro_assets.settings import Settings

SUBJECT = "dagster"
QUEUED_LONG = timedelta(minutes=30)
START = "Start it: bionicpro up, or dagster-daemon run"
TICKING = {
    keys.SCHEDULE,
    keys.LATE_SENSOR,
    keys.OPERATOR_SENSOR,
    keys.OBSERVE_SCHEDULE,
    keys.SWEEP_SCHEDULE,
    keys.DAILY_SCHEDULE,
    keys.ALERTS_SENSOR,
}
TICKED = [TickStatus.SUCCESS, TickStatus.SKIPPED, TickStatus.FAILURE]


def examine_dagster(instance: dg.DagsterInstance, settings: Settings, now: datetime) -> Iterator[Finding]:
    """Whether something will load the next hours, and how the last load went."""
    yield _daemon(instance)
    # Not marked as public. A state is stored once somebody, or a first evaluation, has touched the switch.
    states = [s for s in instance.all_instigator_state() if s.instigator_name in TICKING]
    yield from _switched_off(states)
    yield from _ticks(instance, settings, states, now)
    yield _queue(instance, now)
    yield _last_load(instance, settings, now)


def _daemon(instance: dg.DagsterInstance) -> Finding:
    # Not marked as public; it is what `dagster-daemon liveness-check` asks.
    statuses = instance.get_daemon_statuses()
    seen = {name for name, status in statuses.items() if status.last_heartbeat}
    dead = sorted(name for name, status in statuses.items() if status.required and not status.healthy)
    if not seen:
        return Finding(
            SUBJECT, "warning", f"Dagster's daemon has never run here: nothing is loaded by itself. {START}."
        )
    if dead:
        return Finding(SUBJECT, "problem", f"Dagster's daemon doesn't run ({', '.join(dead)} are silent). {START}.")
    return Finding(SUBJECT, "ok", "Dagster's daemon runs.")


def _switched_off(states: Sequence[InstigatorState]) -> Iterator[Finding]:
    found = {s.instigator_name: s.status.value for s in states}
    off = [n for n in (keys.SCHEDULE, keys.LATE_SENSOR, keys.ALERTS_SENSOR) if found.get(n) == "STOPPED"]
    for name in off:
        yield Finding(SUBJECT, "warning", f"{name} is switched off: in the UI, under Automation.")
    if not off:
        yield Finding(SUBJECT, "ok", "The schedule and the sensors aren't switched off.")


def _ticks(
    instance: dg.DagsterInstance, settings: Settings, states: Sequence[InstigatorState], now: datetime
) -> Iterator[Finding]:
    """Schedules and sensors whose last tick failed: it is no run, and so tells nobody by itself."""
    failing = False
    for state in sorted(states, key=lambda state: state.instigator_name):
        if state.status.value == "STOPPED":
            continue
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=2, statuses=TICKED)
        if not ticks or ticks[0].status != TickStatus.FAILURE:
            continue
        failing = True
        ago = (now - datetime.fromtimestamp(ticks[0].timestamp, UTC)) / timedelta(minutes=1)
        says = f"The last tick of {state.instigator_name}, {ago:.0f} min ago, failed"
        why = _why(ticks[0], secrets_in(settings))
        if {tick.status for tick in ticks[1:]} == {TickStatus.FAILURE}:
            yield Finding(SUBJECT, "problem", f"{says}, and so did the one before: {why}")
        else:
            # It may have met a source that was away for a moment.
            yield Finding(SUBJECT, "warning", f"{says}: {why}")
    if states and not failing:
        yield Finding(SUBJECT, "ok", "The last tick of each schedule and sensor went well.")


def _why(tick: InstigatorTick, secrets: Collection[str]) -> str:
    error = tick.error
    while error is not None and error.cause is not None:
        error = error.cause
    if error is not None and error.cls_name == dg.Failure.__name__:
        # What ours say of themselves; Dagster puts the name of the class before it.
        return redacted(error.message.partition(": ")[2], secrets)
    # The text of any other exception may quote the row it choked on: a patient's name, an address.
    return f"{error.cls_name if error else 'an error'}; the UI has its text, under Automation."


def _queue(instance: dg.DagsterInstance, now: datetime) -> Finding:
    waiting = instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED]), limit=1000)
    if not waiting:
        return Finding(SUBJECT, "ok", "No run waits.")
    longest = now - min(record.create_timestamp.replace(tzinfo=UTC) for record in waiting)
    says = f"{len(waiting)} runs wait, the oldest for {longest / timedelta(minutes=1):.0f} min."
    if longest < QUEUED_LONG:
        return Finding(SUBJECT, "ok", says)
    return Finding(SUBJECT, "warning", f"{says} One writes at a time: see in the UI what the one at work is doing.")


def _last_load(instance: dg.DagsterInstance, settings: Settings, now: datetime) -> Finding:
    ended = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    records = instance.get_run_records(dg.RunsFilter(job_name=keys.JOB, statuses=ended), limit=1)
    if not records or not records[0].end_time:
        return Finding(SUBJECT, "warning", f"{keys.JOB} has never run here. Load the last hours: bionicpro materialize")
    run, when = records[0].dagster_run, datetime.fromtimestamp(records[0].end_time, UTC)
    ago = f"{(now - when) / timedelta(minutes=1):.0f} min ago"
    if run.status == dg.DagsterRunStatus.FAILURE:
        return Finding(SUBJECT, "problem", f"The last run, {run.run_id[:8]}, failed {ago}: the UI says why.")
    state: State = "ok" if now - when < timedelta(minutes=settings.fresh_minutes) else "warning"
    return Finding(SUBJECT, state, f"The last run, {run.run_id[:8]}, ended well {ago}.")
