"""The days that a report is about."""

from dataclasses import dataclass
from datetime import date, datetime

from bionicpro_assets.days import DAY, day_begins, day_range, hours_of_day, local_day, parse_day
from bionicpro_assets.errors import PlatformError

# A page of more days than the mart keeps would only be slower.
MOST_DAYS = 366


@dataclass(frozen=True, slots=True)
class Period:
    """Days from `first` to `last`, both included, of the report time zone `zone`."""

    first: date
    last: date
    zone: str

    @property
    def days(self) -> list[date]:
        """All days, in order."""
        return day_range(self.first, self.last)

    @property
    def hours(self) -> list[datetime]:
        """All UTC hours that the mart has under these days, in order."""
        return [hour for day in self.days for hour in hours_of_day(day, self.zone)]


def period(
    first: str | None, last: str | None, *, zone: str, start: datetime, now: datetime, default_days: int
) -> Period:
    """The period asked for: up to today, and `default_days` long, unless it is said.

    By default it doesn't reach back before `start`, the first hour that is ever loaded. It never goes on after today.

    Raises:
        PlatformError: The days are none, reversed, not begun yet, or too many.
    """
    today = local_day(now, zone)
    try:
        asked = parse_day(last) if last else today
        until = min(asked, today)
        earliest = min(local_day(start, zone), until)
        since = parse_day(first) if first else max(until - (default_days - 1) * DAY, earliest)
    except ValueError as error:
        raise PlatformError(f"{error}.") from None
    if day_begins(since, zone) > now:
        raise PlatformError(f"{since} hasn't begun in {zone}; today is {today} there.")
    if since > asked:
        raise PlatformError(f"--from {since} is after --to {asked}.")
    if (until - since).days >= MOST_DAYS:
        raise PlatformError(f"From {since} to {until} are more than {MOST_DAYS} days; the mart keeps 365.")
    return Period(since, until, zone)
