"""Examining the report time zone: all who compute with it must have the same data of it."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from bionicpro_assets.doctor.finding import Finding, State
from bionicpro_assets.hours import HOUR, floor_hour
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.sqlfiles import sql

YEAR = timedelta(days=365)
EPOCH = date(1970, 1, 1)
# A local hour, by its date and hour.
Local = tuple[date, int]


def examine_zone(clickhouse: ClickHouse, zone: str, now: datetime) -> Finding:
    """Whether polars, which labels the hours, Python, which counts days, and ClickHouse say the same of the zone.

    Each brings data of its own, of different ages; governments change clocks at short notice. A year back and ahead.
    """
    first = floor_hour(now - YEAR)
    hours = [first + i * HOUR for i in range(2 * YEAR // HOUR)]
    by_polars = _by_polars(hours, zone)
    others = {"Python": _by_python(hours, zone), "ClickHouse": _by_clickhouse(clickhouse, hours, zone)}
    for name, labels in others.items():
        different = next((i for i, label in enumerate(labels) if label != by_polars[i]), None)
        if different is not None:
            hour = hours[different]
            state: State = "problem" if hour <= now + timedelta(days=30) else "warning"
            here, there = (f"{day} {at:02}:00" for day, at in (by_polars[different], labels[different]))
            return Finding(
                "clickhouse",
                state,
                f"From {hour:%Y-%m-%d %H:%M} UTC on, polars and {name} have different clocks for {zone} ({here} and "
                f"{there}): where they differ, hours are refused. Bring the older one up to date: the packages polars "
                "and tzdata, or ClickHouse.",
            )
    return Finding("clickhouse", "ok", f"All have the same clocks for {zone}, a year back and ahead.")


def _by_polars(hours: list[datetime], zone: str) -> list[Local]:
    local = pl.Series(hours, dtype=pl.Datetime("us", "UTC")).dt.convert_time_zone(zone)
    return list(zip(local.dt.date(), local.dt.hour(), strict=True))


def _by_python(hours: list[datetime], zone: str) -> list[Local]:
    local = (hour.astimezone(ZoneInfo(zone)) for hour in hours)
    return [(at.date(), at.hour) for at in local]


def _by_clickhouse(clickhouse: ClickHouse, hours: list[datetime], zone: str) -> list[Local]:
    _, rows = clickhouse.rows(
        sql("clickhouse/queries/doctor_zone.sql"),
        {"since": int(hours[0].astimezone(UTC).timestamp()), "hours": len(hours), "zone": zone},
    )
    return [(EPOCH + timedelta(days=days), hour) for _, days, hour in rows]
