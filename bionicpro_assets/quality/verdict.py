"""What a claim found: moment by moment, which are hours for most claims and days for those on the day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Generic, Self, TypeVar

from bionicpro_assets.days import describe_days
from bionicpro_assets.hours import describe
from bionicpro_assets.quality.claims import Claim

# An hour, by its first instant, or a day of the report time zone.
Moment = TypeVar("Moment", datetime, date)


@dataclass(frozen=True, slots=True)
class Found:
    """What one claim found in one hour, or on one day.

    Attributes:
        checked: How many rows, or chips, or whatever the claim is about, were looked at.
        failed: How many of them offend.
        sample: Some of them in words.
    """

    checked: int
    failed: int
    sample: Sequence[str]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """A row that a claim's SQL gives."""
        return cls(int(row["checked"]), int(row["failed"]), list(row["sample"]))


@dataclass(frozen=True, slots=True)
class Verdict(Generic[Moment]):
    """What one claim found. A moment that isn't here had nothing to look at."""

    claim: Claim
    found: Mapping[Moment, Found]

    @property
    def failing(self) -> list[Moment]:
        """The moments at which something offends."""
        return sorted(moment for moment, found in self.found.items() if found.failed)

    @property
    def passed(self) -> bool:
        """Whether nothing offends."""
        return not self.failing

    def only(self, moment: Moment) -> "Verdict[Moment]":
        """The verdict on one moment."""
        return Verdict(self.claim, {moment: self.found[moment]} if moment in self.found else {})

    def joined(self, other: "Verdict[Moment] | None") -> "Verdict[Moment]":
        """The verdict on the moments of both."""
        return self if other is None else Verdict(self.claim, {**self.found, **other.found})

    def __str__(self) -> str:
        """The claim, and where it doesn't hold, with an example."""
        if self.passed:
            return f"{self.claim.name}: holds"
        count = sum(self.found[moment].failed for moment in self.failing)
        example = next((s for moment in self.failing for s in self.found[moment].sample), "")
        like = f", like {example}" if example else ""
        times = f"{count} time{'' if count == 1 else 's'}"
        return f"{self.claim.name}: {self.claim.words} Not so {times} {_where(self.failing)}{like}."


HourVerdict = Verdict[datetime]
DayVerdict = Verdict[date]


def _where(moments: Sequence[datetime] | Sequence[date]) -> str:
    hours = [moment for moment in moments if isinstance(moment, datetime)]
    return f"in {describe(hours)}" if hours else f"on {describe_days(moments)}"
