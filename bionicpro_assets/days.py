"""Days of the report time zone, and the UTC hours they are made of."""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from bionicpro_assets.hours import HOUR, floor_hour, hour_range

DAY = timedelta(days=1)
DAY_KEY_FORMAT = "%Y-%m-%d"


def parse_day(text: str) -> date:
    """A day as people and Dagster write it: `2026-11-24`.

    Raises:
        ValueError: The text is no day, or none of the calendar.
    """
    try:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a day; write it like 2026-11-24") from None


def day_key(day: date) -> str:
    """Dagster's key of the partition that is this day."""
    return day.strftime(DAY_KEY_FORMAT)


def local_day(instant: datetime, zone: str) -> date:
    """The day of the report time zone that contains the instant."""
    return instant.astimezone(ZoneInfo(zone)).date()


def day_begins(day: date, zone: str) -> datetime:
    """The first instant of a day of the zone, in UTC. Where clocks skip midnight, the first that exists."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def hours_of_day(day: date, zone: str) -> list[datetime]:
    """The UTC hours that the mart has under this day: those that begin in it. 24, or 23 or 25 when clocks change.

    In a zone that is half an hour off, the hour that begins before midnight belongs to the day before as a whole.
    """
    begins, ends = day_begins(day, zone), day_begins(day + DAY, zone)
    return hour_range(_ceiling(begins), _ceiling(ends) - HOUR)


def day_range(first: date, last: date) -> list[date]:
    """All days from `first` to `last`, both included."""
    return [first + i * DAY for i in range((last - first).days + 1)]


def describe_days(days: Iterable[date]) -> str:
    """Days in words: `2026-11-24`, `2026-11-20 … 2026-11-24 (5 days)`."""
    ordered = sorted(days)
    if not ordered:
        return "no days"
    if len(ordered) == 1:
        return ordered[0].isoformat()
    return f"{ordered[0]} … {ordered[-1]} ({len(ordered)} days)"


def _ceiling(instant: datetime) -> datetime:
    return floor_hour(instant + HOUR - timedelta(microseconds=1))
