"""Who has been told what: open problems before and problems now in, messages and open problems after out."""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from bionicpro_assets.alerts import text
from bionicpro_assets.alerts.problem import Message, Problem, Severity

# More new messages in one tick than this become one: whoever is woken needs the list, not the letters.
MESSAGES_A_TICK = 5

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Told:
    """An open problem that a message was written about.

    Attributes:
        title: As it was told.
        since: When it began.
        severity: The worst that was told.
        runs: How many runs it has lasted for.
        message: The id of the message about its beginning.
    """

    title: str
    since: datetime
    severity: Severity
    runs: int
    message: str


def settle(
    told: Mapping[str, Told], problems: Iterable[Problem], at: datetime, *, given_up: Collection[str] = ()
) -> tuple[list[Message], dict[str, Told]]:
    """What to say now, and what has been said then.

    Each problem is in one message when it begins, in one when it is over, and in one more if it becomes worse.

    Args:
        told: The open problems that are told already, by key.
        problems: The problems there are now.
        at: The instant of this look.
        given_up: Of those that are no problems any more, the ones that nobody has mended.
    """
    now = {problem.key: problem for problem in problems}
    new = [p for p in now.values() if p.key not in told]
    worse = [p for p in now.values() if p.key in told and p.severity > told[p.key].severity]
    over = {key: entry for key, entry in told.items() if key not in now}

    opened = [_opened(group) for group in _by(new, [p.cause for p in new])]
    messages = _summed_up(opened, f"{len(new)} new problems", [p.title for p in new], at)
    messages += [_worse(p, told[p.key], at) for p in worse]
    ends = [f"{'No longer watched' if key in given_up else 'Over'}: {entry.title}" for key, entry in over.items()]
    labels = [f"{entry.message} {key in given_up}" for key, entry in over.items()]
    closed = [_over(keys, over, at, mended=keys[0] not in given_up) for keys in _by(list(over), labels)]
    messages += _summed_up(closed, f"{len(over)} problems are over", ends, at)

    written = {key: message.id for message in messages for key in message.keys}
    after = {}
    for key, problem in now.items():
        before = told.get(key)
        if before is None:
            after[key] = Told(problem.title, problem.since, problem.severity, problem.runs, written[key])
        else:
            severity = max(before.severity, problem.severity)
            title = problem.title if severity > before.severity else before.title
            after[key] = replace(before, title=title, severity=severity, runs=problem.runs)
    return messages, after


def _by(items: Sequence[T], labels: Sequence[str]) -> list[list[T]]:
    groups: dict[str, list[T]] = {}
    for item, label in zip(items, labels, strict=True):
        groups.setdefault(label, []).append(item)
    return list(groups.values())


def _opened(problems: list[Problem]) -> Message:
    # The worst one is the headline; of equals the first, which is the run, before the checks in it.
    ordered = sorted(problems, key=lambda p: -p.severity)
    more = f" (and {len(ordered) - 1} more)" if len(ordered) > 1 else ""
    return Message(
        id=_id("opened", *(f"{p.key} {p.since.isoformat()}" for p in ordered)),
        subject=text.subject(ordered[0].title + more),
        body=text.opened_body(ordered),
        keys=tuple(p.key for p in ordered),
    )


def _worse(problem: Problem, before: Told, at: datetime) -> Message:
    return Message(
        id=_id("worse", problem.key, before.since.isoformat(), at.isoformat()),
        subject=text.subject(f"Worse: {problem.title}"),
        body=text.opened_body([problem]),
        reply_to=before.message,
        keys=(problem.key,),
    )


def _over(keys: list[str], over: Mapping[str, Told], at: datetime, *, mended: bool) -> Message:
    entries = [over[key] for key in keys]
    more = f" (and {len(entries) - 1} more)" if len(entries) > 1 else ""
    return Message(
        id=_id("over", at.isoformat(), *keys),
        subject=text.subject(f"{'Over' if mended else 'No longer watched'}: {entries[0].title}{more}"),
        body="\n".join(_ending(entry, at, mended=mended) for entry in entries) + "\n",
        reply_to=entries[0].message,
        keys=tuple(keys),
    )


def _ending(entry: Told, at: datetime, *, mended: bool) -> str:
    if not mended:
        return f"{entry.title}\nNobody has mended this since {text.instant(entry.since)}: it is watched no longer."
    runs = f", {text.counted(entry.runs, 'run')}" if entry.runs else ""
    return f"{entry.title}\nOver after {text.duration(at - entry.since)}{runs}; it began {text.instant(entry.since)}."


def _summed_up(messages: list[Message], headline: str, titles: list[str], at: datetime) -> list[Message]:
    if len(messages) <= MESSAGES_A_TICK:
        return messages
    return [
        Message(
            id=_id("summary", at.isoformat(), *(m.id for m in messages)),
            subject=text.subject(headline),
            body=f"{text.listed(titles)}\n",
            keys=tuple(key for m in messages for key in m.keys),
        )
    ]


def _id(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
