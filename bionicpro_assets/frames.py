"""The values that travel between assets and their storage."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from bionicpro_assets.load.table import Entry

HOUR_DTYPE = pl.Datetime("us", "UTC")


@dataclass(frozen=True, slots=True)
class HourlyFrame:
    """Rows of one or more UTC hours of one table, and when each hour was read.

    Attributes:
        rows: A frame with a column `hour_start`, `Datetime("us", "UTC")`, the first second of a UTC hour.
        read_at: For every hour covered, the instant its source was read, by the source's own clock. An hour
            that is here without rows is known to be empty; an hour that is not here is not spoken of.
        confirmed: Hours covered whose rows weren't read: they are as this entry of the journal has them.
        made_of: What the rows of an hour were made of, in a text: loaded again from the same, it comes out the same.
        facts: What is to be said of an hour beside its rows, by name; of the kinds that JSON has. Whole numbers whose
            names end in `_of_hour` are added up for the window.
        inputs: The publications of other tables that the rows were made of.
        consulted: The publications of the table itself that the rows were made with. They must still be the visible
            ones when the rows are committed.
    """

    rows: pl.DataFrame
    read_at: Mapping[datetime, datetime]
    confirmed: Mapping[datetime, Entry] = field(default_factory=dict)
    made_of: Mapping[datetime, str] = field(default_factory=dict)
    facts: Mapping[datetime, Mapping[str, Any]] = field(default_factory=dict)
    inputs: Mapping[str, Mapping[datetime, Entry]] = field(default_factory=dict)
    consulted: Mapping[datetime, int] | None = None

    @property
    def hours(self) -> list[datetime]:
        """The hours covered, in order."""
        return sorted(self.read_at)

    @property
    def hours_read(self) -> list[datetime]:
        """The hours covered whose rows are here, in order."""
        return [hour for hour in self.hours if hour not in self.confirmed]

    def rows_per_hour(self) -> dict[datetime, int]:
        """Row count of every hour covered, empty ones included."""
        counts: dict[datetime, int] = dict(self.rows.group_by("hour_start").len().iter_rows())
        return {
            hour: self.confirmed[hour].row_count if hour in self.confirmed else counts.get(hour, 0)
            for hour in self.hours
        }


# The frames of some hours by the public name of their table, in the order in which they are written.
Part = Mapping[str, HourlyFrame]
# The journal's entries of the hours that are visible, by the public name of the table.
Visible = Mapping[str, Mapping[datetime, "Entry"]]


@dataclass(frozen=True, slots=True, eq=False)
class HourlyLoad:
    """Hours of one table, or of several that become visible together, to be read and stored part by part.

    Attributes:
        tables: The public names of the tables.
        hours: The hours that all parts together cover, for each of the tables.
        parts: Reads the parts, from the beginning each time it is called, knowing what is visible of the tables; closed
            when it isn't read to its end.
        chunk_rows: How many rows are worked on at once, and kept in memory, if they are of more than a few hours.
        hand_over: Columns of the rows that are kept in memory for the next step; none, if there are none.
        insists: Whether it fails where a newer read of an hour was published meanwhile, which readers see then. Of two
            loads the newer read is right; an operator's decision is right whatever was read after it.
    """

    tables: Sequence[str]
    hours: Sequence[datetime]
    parts: Callable[[Visible], Generator[Part]]
    chunk_rows: int = 100_000
    hand_over: Sequence[str] = ()
    insists: bool = False

    @classmethod
    def of(cls, table: str, frame: HourlyFrame) -> HourlyLoad:
        """One frame for one table."""
        return cls([table], frame.hours, lambda _: (part for part in [{table: frame}]))
