"""Catching up after an outage: hours that were never loaded."""

from datetime import datetime, timedelta

import dagster as dg

from bionicpro_assets.defs import keys
from bionicpro_assets.hours import HOUR, floor_hour, hour_range
from bionicpro_assets.late.plan import Plan, plan
from bionicpro_assets.late.record import last_load_at, missing_hours
from bionicpro_assets.runs import asks, busy_hours
from bionicpro_assets.settings import Settings


def catch_up_hours(settings: Settings, now: datetime) -> list[datetime]:
    """The hours before the refresh's window that a tick at `now` makes sure of; none if catching up is off."""
    first = max(floor_hour(now) - settings.max_catchup_hours * HOUR, settings.partitions_start)
    last = floor_hour(now - settings.lookback_hours * HOUR) - HOUR
    return hour_range(first, last) if settings.max_catchup_hours and first <= last else []


def catch_up(instance: dg.DagsterInstance, settings: Settings, now: datetime) -> Plan:
    """What to ask for so that no hour stays missing.

    Missing is an hour from `BIONICPRO_MAX_CATCHUP_HOURS` before now up to the refresh's window, but not before the
    first partition, for which Dagster has no materialisation of the mart or of one of its extracts. They are runs of
    their own beside the refresh, which loads its window every time: reports get the newest hours first, and an hour
    that can't be loaded never keeps the open one waiting. `late.plan` says when an hour is asked for again. One that is
    given up is the business of the sensor of late hours from then on, which sees whether its source is corrected.
    """
    missing = missing_hours(
        instance, (keys.CRM_EXTRACT, keys.TELEMETRY_EXTRACT, keys.MART), catch_up_hours(settings, now)
    )
    if not missing:
        return Plan([], [], [])
    return plan(
        # Missing since it ended: whatever was ever asked for it counts as an attempt.
        {hour: hour for hour in missing},
        "missing hours",
        asked=asks(instance, since=missing[0] - timedelta(days=1)),
        busy=busy_hours(instance),
        now=now,
        loaded_at=last_load_at(instance),
    )
