"""Claims on the day, which is computed from the mart's hours whenever it is read.

Its SQL is beside that of the other claims, one row a day: `day`, `checked`, `failed`, `sample`. `:hours` in it is the
mart's visible rows of these days by their UTC hours, read from the storage and not by the local date that the rows
carry, so that it is another way to the same numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from bionicpro_assets.days import describe_days, hours_of_day
from bionicpro_assets.hours import HOUR
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.table import HourlyTable
from bionicpro_assets.quality.claims import MART, Claim
from bionicpro_assets.quality.evaluate import QUERY_SETTINGS, HourVerdict
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
        Claim(DAILY, "every_hour_of_the_day_loaded", "Every hour of the day that has ended was loaded.", "WARN"),
    ]


@dataclass(frozen=True, slots=True)
class DayVerdict:
    """What one claim found, day by day. A day that isn't here had nothing to look at."""

    claim: Claim
    days: Mapping[date, HourVerdict]

    @property
    def failing(self) -> list[date]:
        """The days on which something offends."""
        return sorted(day for day, verdict in self.days.items() if verdict.failed)

    @property
    def passed(self) -> bool:
        """Whether nothing offends."""
        return not self.failing

    def __str__(self) -> str:
        """The claim, and where it doesn't hold, with an example."""
        if self.passed:
            return f"{self.claim.name}: holds"
        count = sum(self.days[day].failed for day in self.failing)
        example = next((s for day in self.failing for s in self.days[day].sample), "")
        like = f", like {example}" if example else ""
        return f"{self.claim.name}: {self.claim.words} Not so {count} times on {describe_days(self.failing)}{like}."


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
    verdicts = []
    for claim in daily_claims():
        query = sql(claim.file).replace(":hours", relation)
        names, rows = clickhouse.rows(query, parameters, QUERY_SETTINGS)
        found = (dict(zip(names, row, strict=True)) for row in rows)
        verdicts.append(
            DayVerdict(
                claim, {r["day"]: HourVerdict(int(r["checked"]), int(r["failed"]), list(r["sample"])) for r in found}
            )
        )
    return verdicts
