"""Claims on the day, which is computed from the mart's hours whenever it is read.

Its SQL is beside that of the other claims, one row a day: `day`, `checked`, `failed`, `sample`. `:hours` in it is the
mart's visible rows of these days by their UTC hours, read from the storage and not by the local date that the rows
carry, so that it is another way to the same numbers.
"""

from collections.abc import Sequence
from datetime import date, datetime

from bionicpro_assets.days import hours_of_day
from bionicpro_assets.hours import HOUR
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.table import HourlyTable
from bionicpro_assets.quality.claims import MART, Claim
from bionicpro_assets.quality.evaluate import QUERY_SETTINGS
from bionicpro_assets.quality.verdict import DayVerdict, Found, Verdict
from bionicpro_assets.sqlfiles import sql

DAILY = "reports.user_daily_stats"


def daily_claims() -> list[Claim]:
    """Every claim on the day."""
    return [
        Claim(DAILY, "one_row_per_user_prosthesis_and_day", "There is one row per user, prosthesis and day."),
        Claim(
            DAILY, "days_are_the_sums_of_their_hours", "Hours and counts of every day are those of the mart's hours."
        ),
        Claim(
            DAILY,
            "averages_weighted_by_their_hours",
            "Averages of a day are those of the mart's hours, each hour with the weight it should have.",
        ),
        Claim(DAILY, "hours_within_the_day", "No prosthesis is active for more hours than the day has."),
        Claim(
            DAILY,
            "every_hour_of_the_day_loaded",
            "Every hour of the day that has ended was loaded, last of all after it had ended.",
            "WARN",
        ),
    ]


def evaluate_days(
    clickhouse: ClickHouse, days: Sequence[date], *, zone: str, start: datetime, now: datetime
) -> list[DayVerdict]:
    """What each claim finds on these days, which follow one another.

    Args:
        clickhouse: Where.
        days: Days of the report time zone.
        zone: The report time zone.
        start: The first hour that is ever loaded.
        now: What counts as now.

    Raises:
        ClickHouseError: ClickHouse can't be read.
    """
    hours = [hour for day in days for hour in hours_of_day(day, zone)]
    relation, parameters = HourlyTable.of(clickhouse, MART).relation(hours)
    parameters |= {
        "zone": zone,
        "first_day": min(days),
        "last_day": max(days),
        "expected": [int(hour.timestamp()) for hour in hours if hour >= start and hour + HOUR <= now],
    }
    verdicts: list[DayVerdict] = []
    for claim in daily_claims():
        query = sql(claim.file).replace(":hours", relation)
        names, rows = clickhouse.rows(query, parameters, QUERY_SETTINGS)
        found = (dict(zip(names, row, strict=True)) for row in rows)
        verdicts.append(Verdict(claim, {row["day"]: Found.of(row) for row in found}))
    return verdicts
