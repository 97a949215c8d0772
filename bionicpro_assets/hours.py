"""UTC hours: the unit everything here is partitioned, loaded and published by."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from bionicpro_assets.errors import DataError

HOUR = timedelta(hours=1)
PARTITION_KEY_FORMAT = "%Y-%m-%d-%H:%M"


def floor_hour(instant: datetime) -> datetime:
    """The UTC hour that contains `instant`, which must carry a time zone."""
    if instant.tzinfo is None:
        raise ValueError("an instant without a time zone has no UTC hour")
    return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def parse_hour(text: str) -> datetime:
    """An hour as people and Dagster write it: `2026-11-24T08`, `2026-11-24 08:00`, `2026-11-24-08:00`.

    Without an offset it is UTC.

    Raises:
        ValueError: The text is not an hour, or not a whole UTC hour.
    """
    try:
        instant = datetime.strptime(text, PARTITION_KEY_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        try:
            instant = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f"{text!r} is not an hour; write it like 2026-11-24T08:00") from None
    try:
        instant = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text!r} is no hour of the years 1 to 9999 in UTC") from None
    if instant != floor_hour(instant):
        raise ValueError(f"{text!r} is not a whole UTC hour")
    return instant


def partition_key(hour: datetime) -> str:
    """Dagster's key of the partition that is this hour."""
    return hour.astimezone(UTC).strftime(PARTITION_KEY_FORMAT)


def hour_of_key(key: str) -> datetime:
    """The hour that is the partition with this key of Dagster's.

    Raises:
        ValueError: It is no hour's key; a day's, for one.
    """
    return datetime.strptime(key, PARTITION_KEY_FORMAT).replace(tzinfo=UTC)


def hour_range(first: datetime, last: datetime) -> list[datetime]:
    """All hours from `first` to `last`, both included."""
    return [first + i * HOUR for i in range(int((last - first) / HOUR) + 1)]


def refresh_window(now: datetime, *, lookback_hours: int, start: datetime) -> list[datetime]:
    """The hours a refresh at `now` loads: from the one that contains `now - lookback` to the open hour.

    Never before `start`, the first partition; empty when that lies in the future.
    """
    first = max(floor_hour(now - lookback_hours * HOUR), start)
    return hour_range(first, floor_hour(now))


def contiguous(hours: Iterable[datetime]) -> tuple[datetime, datetime]:
    """The half-open window [since, until) of hours that follow one another.

    Raises:
        DataError: There are none, or there is a gap.
    """
    ordered = sorted(hours)
    if not ordered:
        raise DataError("No hours to work on.")
    since, until = ordered[0], ordered[-1] + HOUR
    if ordered != hour_range(since, ordered[-1]):
        raise DataError(f"The hours from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC are not contiguous.")
    return since, until


def in_parts(hours: Sequence[datetime], rows: Mapping[datetime, int], most_rows: int) -> list[list[datetime]]:
    """The hours, in order, in as few parts as have at most so many rows each; an hour is never divided.

    The hours of a part follow one another.

    Args:
        hours: UTC hours.
        rows: How many rows each has; what isn't here has none.
        most_rows: How many rows a part may have, if it is more than one hour.
    """
    parts: list[list[datetime]] = []
    room = 0
    for hour in sorted(hours):
        if not parts or rows.get(hour, 0) > room or hour != parts[-1][-1] + HOUR:
            parts.append([])
            room = most_rows
        parts[-1].append(hour)
        room -= rows.get(hour, 0)
    return parts


def describe(hours: Iterable[datetime]) -> str:
    """Hours in words: `2026-11-24 08:00 UTC`, `2026-11-24 08:00 … 10:00 UTC (3 hours)`."""
    ordered = sorted(hours)
    if not ordered:
        return "no hours"
    if len(ordered) == 1:
        return f"{ordered[0]:%Y-%m-%d %H:%M} UTC"
    last = f"{ordered[-1]:%H:%M}" if ordered[0].date() == ordered[-1].date() else f"{ordered[-1]:%Y-%m-%d %H:%M}"
    return f"{ordered[0]:%Y-%m-%d %H:%M} … {last} UTC ({len(ordered)} hours)"


def contiguous_ranges(hours: Iterable[datetime], most: int | None = None) -> list[list[datetime]]:
    """The hours in ranges of those that follow one another, of at most so many hours."""
    ranges: list[list[datetime]] = []
    for hour in sorted(hours):
        if not ranges or hour != ranges[-1][-1] + HOUR or len(ranges[-1]) == most:
            ranges.append([])
        ranges[-1].append(hour)
    return ranges


def describe_ranges(hours: Iterable[datetime], most: int = 5) -> str:
    """Hours in words, those that follow one another together; of many ranges the first, and how many more."""
    ranges = contiguous_ranges(hours)
    more = sum(len(r) for r in ranges[most:])
    return ", ".join(map(describe, ranges[:most])) + (f", and {more} hours more" if more else "")
