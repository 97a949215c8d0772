"""The values that travel between assets and their storage."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

import polars as pl

HOUR_DTYPE = pl.Datetime("us", "UTC")


@dataclass(frozen=True, slots=True)
class HourlyFrame:
    """Rows of one or more UTC hours, and when each hour was read.

    Attributes:
        rows: A frame with a column `hour_start`, `Datetime("us", "UTC")`, the first second of a UTC hour.
        read_at: For every hour covered, the instant its source was read, by the source's own clock. An hour
            that is here without rows is known to be empty; an hour that is not here is not spoken of.
    """

    rows: pl.DataFrame
    read_at: Mapping[datetime, datetime]

    @property
    def hours(self) -> list[datetime]:
        """The hours covered, in order."""
        return sorted(self.read_at)

    def rows_per_hour(self) -> dict[datetime, int]:
        """Row count of every hour covered, empty ones included."""
        counts: dict[datetime, int] = dict(self.rows.group_by("hour_start").len().iter_rows())
        return {hour: counts.get(hour, 0) for hour in self.hours}


Parts = Callable[[], Generator[HourlyFrame]]
StillHolds = Callable[[], None]


@dataclass(frozen=True, slots=True)
class HourlyStream:
    """Rows of hours, a part of the hours at a time, so that a long window takes no more memory than a short one.

    Attributes:
        hours: The hours that all parts together cover.
        parts: Makes the parts, in order, from the beginning: a generator, to be closed when it isn't read to its end.
        still_holds: Called when all rows are stored, just before readers see them. Raises if what they were made of was
            replaced meanwhile.
        insists: Whether it fails where a newer read of an hour was published meanwhile, which readers see then. Of two
            loads the newer read is right; an operator's decision is right whatever was read after it.
    """

    hours: Sequence[datetime]
    parts: Parts
    still_holds: StillHolds | None = None
    insists: bool = False
    _begun: list[Generator[HourlyFrame]] = field(default_factory=list)

    @classmethod
    def begin(
        cls, hours: Sequence[datetime], parts: Parts, still_holds: StillHolds | None = None, *, insists: bool = False
    ) -> Self:
        """A stream whose first part is made now, so that what fails at once fails here."""
        iterator = parts()
        first: HourlyFrame | None = next(iterator)

        def begun() -> Generator[HourlyFrame]:
            nonlocal first
            with closing(iterator):
                part, first = first, None
                while part is not None:
                    yield part
                    # Let go of before the next one is made: two parts would be twice the memory.
                    part = None
                    part = next(iterator, None)

        return cls(hours, parts, still_holds, insists, [begun()])

    @contextmanager
    def opened(self) -> Iterator[Iterator[HourlyFrame]]:
        """The parts, from the beginning: for every attempt to store them."""
        iterator = self._begun.pop() if self._begun else self.parts()
        with closing(iterator):
            yield iterator
