"""What an examination found."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from bionicpro_assets.errors import PlatformError

State = Literal["ok", "warning", "problem"]

# Publications are refused when a source's clock is 5 minutes ahead; a clock that is set by NTP is right to a second.
SKEW_WARNING = timedelta(seconds=10)
SKEW_PROBLEM = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: What it is of: `settings`, `crm_db`, `telemetry_db`, `clickhouse`, `dagster` or `alerts`.
        state: `ok`; `warning`, where the platform works and somebody should look; `problem`, where it doesn't.
        says: What was seen, and what to do about it unless it is ok.
    """

    subject: str
    state: State
    says: str


def looked_at(subject: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """The findings of one examination; an error of the platform that ends it is a problem like any other."""
    try:
        yield from look()
    except PlatformError as error:
        yield Finding(subject, "problem", str(error))


def clock(subject: str, ahead: timedelta) -> Finding:
    """How far a database's clock is ahead of this machine's; negative if it is behind."""
    seconds = abs(ahead).total_seconds()
    if abs(ahead) < SKEW_WARNING:
        return Finding(subject, "ok", f"Its clock and this machine's are {seconds:.1f} s apart.")
    where = "ahead of" if ahead > timedelta() else "behind"
    state: State = "problem" if abs(ahead) >= SKEW_PROBLEM else "warning"
    return Finding(
        subject,
        state,
        f"Its clock is {seconds:.0f} s {where} this machine's: reads are ordered by clocks. Let NTP set both.",
    )
