"""A problem that people are told of, and the message that tells them."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum


class Severity(IntEnum):
    """How bad it is. A problem that becomes worse is told once more."""

    WARNING = 1
    ERROR = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong now and will be until somebody, or the next run, mends it.

    Attributes:
        key: The same for as long as it is the same problem, and never used again for another one of a run or check.
        title: One line: what failed, and for which hours.
        severity: How bad it is.
        since: When it began.
        cause: Problems that begin with the same cause are told in one message: a run and the checks in it.
        what: Sentences: the error, where, how to see it. Holds no secret and no patient's data.
        todo: What to do about it; one sentence or two.
        link: The place in the Dagster UI; empty where its address isn't set.
        runs: How many runs it has lasted for; 0 where runs aren't what is counted.
    """

    key: str
    title: str
    severity: Severity
    since: datetime
    cause: str
    what: tuple[str, ...] = ()
    todo: str = ""
    link: str = ""
    runs: int = 0


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it goes out through every channel.

    Attributes:
        id: Unique; the same however often it is sent.
        subject: One line.
        body: Plain text.
        reply_to: The id of the message about the same problem's beginning; empty if this is it.
        keys: The problems it speaks of.
    """

    id: str
    subject: str
    body: str
    reply_to: str = ""
    keys: tuple[str, ...] = ()
