"""The value that travels between assets."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

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
