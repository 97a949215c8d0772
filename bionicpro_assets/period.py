"""The hours that a person asks for."""

from datetime import datetime

from bionicpro_assets.errors import DataError
from bionicpro_assets.hours import HOUR, floor_hour, hour_range, parse_hour, refresh_window
from bionicpro_assets.settings import Settings


def period(
    settings: Settings, first: str | None, last: str | None, now: datetime, *, newest: datetime | None = None
) -> list[datetime]:
    """The UTC hours from `first` to `last`, both included; by default those that a refresh at `now` loads.

    A `last` that is before them has as many hours before it as the lookback.

    Args:
        settings: The platform's settings.
        first: The first hour, as a person writes it.
        last: The last hour.
        now: The present instant.
        newest: The last hour by default, where it isn't the open one but one before it.

    Raises:
        DataError: They are no hours, reversed, before the first partition or after the open hour.
    """
    start, open_hour = settings.partitions_start, floor_hour(now)
    try:
        since, until = parse_hour(first) if first else None, parse_hour(last) if last else None
    except ValueError as error:
        raise DataError(str(error)) from None
    if since and until and since > until:
        raise DataError(f"The first hour, {since:%Y-%m-%dT%H:%M}, is after the last one, {until:%Y-%m-%dT%H:%M}.")
    partitions = f"There are partitions from {start:%Y-%m-%dT%H:%M} on (BIONICPRO_PARTITIONS_START)"
    for hour in (since, until):
        if hour and hour < start:
            raise DataError(f"{partitions}; {hour:%Y-%m-%dT%H:%M} is before that.")
        if hour and hour > open_hour:
            raise DataError(
                f"The hour {hour:%Y-%m-%dT%H:%M} UTC hasn't begun; the open hour is {open_hour:%Y-%m-%dT%H:%M}."
            )
    # What is left is about hours that nobody wrote, and says where they come from.
    until = until or newest or open_hour
    if until < start:
        raise DataError(f"{partitions}; the newest hour, {until:%Y-%m-%dT%H:%M}, is before that.")
    if since is None:
        refreshed = refresh_window(now, lookback_hours=settings.lookback_hours, start=start)
        since = refreshed[0]
        if since > until:
            since = max(until - settings.lookback_hours * HOUR, start)
    if since > until:
        raise DataError(f"The hour {since:%Y-%m-%dT%H:%M} UTC isn't over; the last that is, is {until:%Y-%m-%dT%H:%M}.")
    return hour_range(since, until)
