"""What is refused before it is written: hours that can't be kept, and clocks that would hide what comes after."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import polars as pl

from bionicpro_assets.errors import DataError
from bionicpro_assets.frames import HourlyFrame
from bionicpro_assets.hours import describe, floor_hour
from bionicpro_assets.load.table import JOURNAL, Entry

# Rows are dropped by TTL after this; an hour older than it would be published and vanish.
RETENTION = timedelta(days=365)
# The mart drops days as a whole, and those of a zone behind UTC reach half a day further back.
LEAVING = timedelta(days=3)
# A source clock may run this far ahead of the machine that publishes.
CLOCK_TOLERANCE = timedelta(minutes=5)
OF_THE_FUTURE = f"FROM {JOURNAL} WHERE source_read_at > now64(6) + 300"
LIST_THE_FUTURE = f"SELECT DISTINCT table_name, hour_start {OF_THE_FUTURE} ORDER BY ALL"
FORGET_THE_FUTURE = f"DELETE {OF_THE_FUTURE}"


def first_kept(now: datetime) -> datetime:
    """The first hour that can be loaded into every table: none is about to drop it."""
    return floor_hour(now - RETENTION) + LEAVING


def refuse_misplaced(frame: HourlyFrame, rows: pl.DataFrame, name: str, now: datetime) -> None:
    """Refuse rows outside the hours they are of, hours that the table is about to drop, and a source that is ahead.

    Raises:
        DataError: It is so.
    """
    if not frame.hours:
        raise DataError(f"{name}: there are no hours to publish.")
    stray = rows.filter(~pl.col("hour_start").is_in(frame.hours))
    if not stray.is_empty():
        found = describe(stray["hour_start"].unique())
        raise DataError(
            f"{name}: {stray.height} rows are of {found}, outside {describe(frame.hours)}; nothing was published."
        )
    # The mart's rows go with their day, at midnight of the server's zone, which may be before UTC's.
    leaving = (now - RETENTION).date() + timedelta(days=1)
    gone = "report_date" in rows.columns and not rows.filter(pl.col("report_date") <= leaving).is_empty()
    if frame.hours[0] < now - RETENTION or gone:
        raise DataError(
            f"{name}: {frame.hours[0]:%Y-%m-%d %H:%M} UTC is older than the {RETENTION.days} days that rows are kept, "
            f"or will be soon; nothing was published. Load hours from {first_kept(now):%Y-%m-%d %H:%M} UTC on."
        )
    ahead = max(frame.read_at.values()) - now
    if ahead > CLOCK_TOLERANCE:
        raise DataError(
            f"{name}: the source's clock is {ahead} ahead of this machine's. Publications are ordered by it, so this "
            "one would hide all that follow until then; nothing was published. Set the clocks right."
        )


def refuse_hidden(current: Mapping[datetime, Entry], name: str, now: datetime) -> None:
    """Refuse hours of which something is visible that was read by a clock that is ahead.

    Raises:
        DataError: It is so.
    """
    ahead = {
        hour: entry.source_read_at for hour, entry in current.items() if entry.source_read_at > now + CLOCK_TOLERANCE
    }
    if ahead:
        # Not told as loaded: the hours would stay as they are, and nobody would look for them again.
        raise DataError(
            f"{name}: what readers see of {describe(ahead)} was read at {max(ahead.values()):%Y-%m-%d %H:%M} UTC by "
            "the source's clock, which hasn't come yet: clocks were ahead then, and were set back. It would hide what "
            "is read before that time; nothing was published. Load these hours again after it. Or, once the clocks are "
            f"right, list all such hours, of which some have no other rows by now: {LIST_THE_FUTURE}; then load every "
            f"one of them again, after: {FORGET_THE_FUTURE}"
        )
