"""Which days are to be told again: those that ended, and those of which hours were loaded since they were told."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime

import dagster as dg
from dagster import DagsterEventType

from bionicpro_assets.days import DAY, day_begins, day_key, day_range, hours_of_day, local_day
from bionicpro_assets.defs import keys
from bionicpro_assets.hours import HOUR, partition_key
from bionicpro_assets.settings import Settings

# Older days are told when somebody asks for them. Their numbers are right all the same: they are computed when read.
DAYS_BACK = 31
# How many days the fleet's page of a day has, the day itself included.
DAYS_OF_A_PAGE = 7


def due_days(instance: dg.DagsterInstance, settings: Settings, now: datetime) -> list[date]:
    """The days to tell at `now`, by Dagster's record alone: nothing is connected to.

    A day is told for the first time when the refresh doesn't load its last hour any more, and again whenever one of its
    hours, or of the days before it that its page shows, was loaded after that. A day without a loaded hour isn't told.
    """
    zone = settings.report_timezone
    last = local_day(now - settings.lookback_hours * HOUR, zone) - DAY
    first = max(last - (DAYS_BACK - 1) * DAY, local_day(settings.partitions_start, zone))
    days = [d for d in day_range(first, last) if day_begins(d + DAY, zone) + settings.lookback_hours * HOUR <= now]
    if not days:
        return []
    shown = day_range(max(first - (DAYS_OF_A_PAGE - 1) * DAY, local_day(settings.partitions_start, zone)), days[-1])
    hours = {day: [partition_key(hour) for hour in hours_of_day(day, zone)] for day in shown}
    loaded = _events(instance, keys.MART, (key for day in shown for key in hours[day]))
    newest = {day: max((loaded.get(key, 0) for key in hours[day]), default=0) for day in shown}
    told = _events(instance, keys.USER_DAILY, map(day_key, days))
    # The page comes after the day, in the same run: where that failed, the day is due too.
    paged = _events(instance, keys.FLEET_REPORT, map(day_key, days))
    due = []
    for day in days:
        page = paged.get(day_key(day), 0)
        # A page has the days before its own, too: it is old when one of them was loaded since, even if its own wasn't.
        newest_of_page = max(newest[d] for d in shown if day - DAYS_OF_A_PAGE * DAY < d <= day)
        if newest[day] > min(told.get(day_key(day), 0), page) or (page and newest_of_page > page):
            due.append(day)
    return due


def _events(instance: dg.DagsterInstance, asset: dg.AssetKey, partitions: Iterable[str]) -> Mapping[str, int]:
    """Of every partition that was ever materialised, the place of its last event in Dagster's record."""
    return instance.get_latest_storage_id_by_partition(asset, DagsterEventType.ASSET_MATERIALIZATION, set(partitions))


def ranges(days: Iterable[date]) -> list[tuple[date, date]]:
    """Days that follow one another, together: the first and the last of each."""
    found: list[tuple[date, date]] = []
    for day in sorted(days):
        if found and day == found[-1][1] + DAY:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found
