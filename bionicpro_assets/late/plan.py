"""Which hours to ask for now, and in which runs: with restraint, and without one bad hour stopping the others.

The rule is the same for hours that are missing and for hours that changed late:

- An hour of a run that is queued or in progress is waited for, whoever asked for it.
- At most `MAX_OUTSTANDING` runs of a kind are queued or in progress at a time.
- Hours that follow one another are one run, of at most 168 hours; the newest come first.
- A run for an hour ended and the hour is still wanted: it is asked for again after 15 minutes, then 30, 60, 120, and
  in a run of at most 42 hours, then 10, 2, 1. So a range with one hour that can't be loaded loses only that one.
- It isn't asked for again while nothing at all gets into the mart: an outage doesn't use up the attempts.
- After `MAX_ATTEMPTS` runs it is given up and named to the operator, until it changes again.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bionicpro_assets.hours import HOUR, partition_key
from bionicpro_assets.runs import Ask, Why

MAX_OUTSTANDING = 4
MAX_ATTEMPTS = 5
FIRST_PAUSE = timedelta(minutes=15)
HOURS_PER_RUN = 168
SPLIT = 4


@dataclass(frozen=True, slots=True)
class Request:
    """A run to ask for.

    Attributes:
        hours: Hours that follow one another.
        since: Since when they are wanted, the latest of them.
        key: Dagster's run key; another one whenever the same hours are asked for again. Dagster skips a request, for
            ever, whose key a run has already.
    """

    hours: Sequence[datetime]
    since: datetime
    key: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do about the hours wanted.

    Attributes:
        requests: Runs to ask for now.
        waiting: Hours of unfinished runs, hours in a pause between two attempts, and hours whose turn comes later.
        given_up: Hours that were asked for in vain, too often.
    """

    requests: Sequence[Request]
    waiting: Sequence[datetime]
    given_up: Sequence[datetime]


def plan(
    wanted: Mapping[datetime, datetime],
    why: Why,
    *,
    asked: Sequence[Ask],
    busy: Collection[datetime],
    now: datetime,
    loaded_at: datetime | None,
) -> Plan:
    """Decide by the rule above.

    Args:
        wanted: The hours wanted, and since when, by the clock of the source that says so; what was asked for before
            that doesn't count as an attempt.
        why: Which kind of ask this is; the limit on runs at a time is by kind.
        asked: What was asked for lately, of any kind.
        busy: Hours of all unfinished runs.
        now: Now, by Dagster's clock.
        loaded_at: When anything was last loaded into the mart.
    """
    of_hour: dict[datetime, list[Ask]] = {hour: [] for hour in wanted}
    for ask in asked:
        for hour in ask.hours:
            if hour in of_hour:
                of_hour[hour].append(ask)
    due: dict[datetime, int] = {}
    given_up = []
    for hour, since in wanted.items():
        attempts = sum(_is_attempt(ask, why, since) for ask in of_hour[hour])
        if hour in busy or any(ask.ended_at is None for ask in of_hour[hour]):
            continue
        if attempts >= MAX_ATTEMPTS:
            given_up.append(hour)
        elif not of_hour[hour] or _pause_is_over(of_hour[hour], attempts, now, loaded_at):
            due[hour] = attempts
    room = MAX_OUTSTANDING - sum(ask.why == why and ask.ended_at is None for ask in asked)
    ranges = sorted(_ranges(due), key=lambda hours: (due[hours[0]], -hours[-1].timestamp()))[: max(0, room)]
    requests = [_request(hours, wanted, due[hours[0]], of_hour) for hours in ranges]
    now_asked = {hour for request in requests for hour in request.hours}
    waiting = sorted(set(wanted) - now_asked - set(given_up))
    return Plan(requests, waiting, sorted(given_up))


def _is_attempt(ask: Ask, why: Why, since: datetime) -> bool:
    """Whether a run was asked for because of what has made an hour wanted since then.

    A run of the same kind says since when its hours were wanted, by the same source's clock. Dagster's clock says it of
    the others: if the source's is ahead, even by a second, a run asked for at once seems to come before the change.
    """
    if ask.why == why and ask.since is not None:
        return ask.since >= since
    # Dagster on SQLite keeps whole seconds.
    return ask.asked_at >= since.replace(microsecond=0)


def _pause_is_over(asked: Sequence[Ask], attempts: int, now: datetime, loaded_at: datetime | None) -> bool:
    ended_at = max(ask.ended_at for ask in asked if ask.ended_at)
    pause = FIRST_PAUSE * 2 ** max(attempts - 1, 0)
    # An attempt of an earlier change keeps its distance too, and needs no proof that loading works.
    return now >= ended_at + pause and (attempts == 0 or (loaded_at is not None and loaded_at > ended_at))


def _ranges(due: Mapping[datetime, int]) -> Iterator[list[datetime]]:
    """Hours that follow one another and were tried as often, in chunks of the size that is due."""
    chunk: list[datetime] = []
    for hour in sorted(due):
        limit = max(1, HOURS_PER_RUN // SPLIT ** due[hour])
        if chunk and (hour != chunk[-1] + HOUR or due[hour] != due[chunk[0]] or len(chunk) >= limit):
            yield chunk
            chunk = []
        chunk.append(hour)
    if chunk:
        yield chunk


def _request(
    hours: Sequence[datetime],
    wanted: Mapping[datetime, datetime],
    attempts: int,
    of_hour: Mapping[datetime, Sequence[Ask]],
) -> Request:
    since = max(wanted[hour] for hour in hours)
    key = f"{partition_key(hours[0])} {partition_key(hours[-1])} since {since.isoformat()} attempt {attempts + 1}"
    # However attempts are counted, the run before is another one each time.
    before = max((ask.asked_at for hour in hours for ask in of_hour[hour]), default=None)
    return Request(hours, since, f"{key} after {before.isoformat()}" if before else key)
