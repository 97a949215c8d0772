"""One look: from what has happened since the last one to what is said now."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from bionicpro_assets.alerts.channels import Channel
from bionicpro_assets.alerts.delivery import Queued, deliver
from bionicpro_assets.alerts.ledger import settle
from bionicpro_assets.alerts.problem import Message, Problem
from bionicpro_assets.alerts.runs import FinishedRun, after_run, watched, without_retry
from bionicpro_assets.alerts.state import State
from bionicpro_assets.alerts.wording import as_problems


def look(
    state: State,
    runs: Iterable[FinishedRun],
    retried: Iterable[str],
    others: Iterable[Problem],
    channels: Sequence[Channel],
    at: datetime,
    *,
    ui_url: str,
    complete: bool = True,
) -> tuple[State, list[str]]:
    """Take in what has happened, write the messages, and send them.

    Args:
        state: What the last look left.
        runs: The runs that have finished since, in the order of their ends.
        retried: Failed runs that were waiting for their retry and have been started again.
        others: Problems that runs don't tell of: stale assets.
        channels: Where messages go.
        at: The instant of this look.
        ui_url: Where the Dagster UI is, for links; may be empty.
        complete: Whether these are all the runs. As long as there are more, what the first of them began may be over
            by the last, so that nothing new is said.

    Returns:
        What the next look needs, and what the log should say of this one. It raises nothing: what couldn't be sent
        is in the state.
    """
    problems = state.open
    for run in runs:
        problems = after_run(problems, run)
    watching = watched(without_retry(problems, retried, at), at)
    given_up = {p.key for p in problems} - {p.key for p in watching}
    messages, told = list[Message](), state.told
    if complete:
        messages, told = settle(told, [*as_problems(watching, ui_url), *others], at, given_up=given_up)
    names = tuple(channel.name for channel in channels)
    queue = [*state.queue, *(Queued(message, at, names) for message in messages)]
    delivered = deliver(queue, state.troubles, channels, at)
    state = replace(state, open=watching, told=told, queue=delivered.queue, troubles=delivered.troubles)
    return state, delivered.said
