"""The hours that a person asks for."""

from datetime import datetime

from bionicpro_assets.errors import DataError
from bionicpro_assets.hours import floor_hour, hour_range, parse_hour, refresh_window
from bionicpro_assets.settings import Settings


def period(settings: Settings, first: str | None, last: str | None, now: datetime) -> list[datetime]:
    """The UTC hours from `first` to `last`, both included; by default those that a refresh at `now` loads.

    Raises:
        DataError: They are no hours, reversed, before the first partition or after the open hour.
    """
    default = refresh_window(now, lookback_hours=settings.lookback_hours, start=settings.partitions_start)
    try:
        since = parse_hour(first) if first else default[0] if default else settings.partitions_start
        until = parse_hour(last) if last else floor_hour(now)
    except ValueError as error:
        raise DataError(str(error)) from None
    if since > until:
        raise DataError(f"The first hour, {since:%Y-%m-%dT%H:%M}, is after the last one, {until:%Y-%m-%dT%H:%M}.")
    if since < settings.partitions_start:
        raise DataError(
            f"There are partitions from {settings.partitions_start:%Y-%m-%dT%H:%M} on (BIONICPRO_PARTITIONS_START); "
            f"{since:%Y-%m-%dT%H:%M} is before that."
        )
    if until > floor_hour(now):
        raise DataError(
            f"The hour {until:%Y-%m-%dT%H:%M} UTC hasn't begun; the open hour is {floor_hour(now):%Y-%m-%dT%H:%M}."
        )
    return hour_range(since, until)
