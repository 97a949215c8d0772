"""Getting messages out: each through every channel once, and what didn't go is tried again."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bionicpro_assets.alerts.channels import Channel, DeliveryError
from bionicpro_assets.alerts.problem import Message

# A sensor's tick is cut off after 60 seconds, and one that is cut off would send everything again.
SECONDS_A_TICK = 25.0
LONGEST_PAUSE = timedelta(minutes=15)
FIRST_PAUSE = timedelta(seconds=30)
KEPT = timedelta(days=7)
KEPT_REFUSED = timedelta(hours=1)
QUEUE_LENGTH = 100


@dataclass(frozen=True, slots=True)
class Queued:
    """A message on its way.

    Attributes:
        message: The message.
        written: When it was written.
        waiting: The names of the channels that haven't taken it yet.
    """

    message: Message
    written: datetime
    waiting: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trouble:
    """A channel that takes nothing at present.

    Attributes:
        failures: How many times in a row.
        not_before: When it is tried again.
    """

    failures: int
    not_before: datetime


@dataclass(frozen=True, slots=True)
class Delivered:
    """What is still to be sent after a round, and what to say of the round."""

    queue: list[Queued]
    troubles: dict[str, Trouble]
    said: list[str]


def deliver(
    queue: Iterable[Queued],
    troubles: Mapping[str, Trouble],
    channels: Sequence[Channel],
    at: datetime,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Delivered:
    """Send what waits, oldest first, through each channel that isn't pausing. Raises nothing.

    A channel that fails is left alone until the next round, then for pauses that grow to a quarter of an hour. A
    message that is refused for what it is doesn't hold up the others, and is given up after an hour; any other after
    a week, or behind a hundred newer ones.
    """
    names = {channel.name for channel in channels}
    queue = [replace(q, waiting=tuple(w for w in q.waiting if w in names)) for q in queue]
    pauses, said, began = {n: t for n, t in troubles.items() if n in names}, [], clock()
    for channel in channels:
        before = pauses.get(channel.name)
        if before and at < before.not_before:
            continue
        mine = [q for q in queue if channel.name in q.waiting]
        done, remarks, failed = _through(channel, mine, at, lambda: clock() - began < SECONDS_A_TICK)
        said += [f"{channel.name}: {remark}" for remark in remarks]
        queue = [_without(q, channel.name) if q.message.id in done else q for q in queue]
        if failed:
            pauses[channel.name] = _paused(before, at)
        elif done:
            pauses.pop(channel.name, None)
    rest = [q for q in queue if q.waiting]
    kept = [q for q in rest if at - q.written < KEPT][-QUEUE_LENGTH:]
    said += [f"given up undelivered: {q.message.subject}" for q in rest if q not in kept]
    return Delivered(kept, pauses, said)


def _through(
    channel: Channel, queue: Sequence[Queued], at: datetime, in_time: Callable[[], bool]
) -> tuple[set[str], list[str], bool]:
    """Send through one channel: the ids it is done with, what to say, and whether it needs a pause."""
    done, said, failed = set(), [], False
    for queued in queue:
        if not in_time():
            break
        try:
            remark = _send(channel, queued.message)
        except DeliveryError as error:
            said.append(str(error))
            failed = True
            if not error.refused:
                break
            if at - queued.written >= KEPT_REFUSED:
                said.append(f"given up undelivered: {queued.message.subject}")
                done.add(queued.message.id)
            continue
        done.add(queued.message.id)
        if remark:
            said.append(remark)
    return done, said, failed


def _without(queued: Queued, channel: str) -> Queued:
    return replace(queued, waiting=tuple(w for w in queued.waiting if w != channel))


def _send(channel: Channel, message: Message) -> str:
    try:
        return channel.send(message)
    except DeliveryError:
        raise
    except Exception as error:  # the sensor must go on, whatever a channel does
        # Its text isn't shown: nobody has looked at it for secrets.
        raise DeliveryError(f"sending fails with {type(error).__name__}.") from None


def _paused(before: Trouble | None, at: datetime) -> Trouble:
    failures = before.failures + 1 if before else 1
    # The first time again at once, at the next tick.
    return Trouble(failures, at + min(LONGEST_PAUSE, FIRST_PAUSE * (2 ** min(failures - 1, 10) - 1)))
