"""What a report says, read from ClickHouse: of one patient, or of the fleet."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from bionicpro_assets.days import DAY, day_begins, local_day
from bionicpro_assets.errors import PlatformError
from bionicpro_assets.hours import HOUR
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.refuse import RETENTION
from bionicpro_assets.load.table import HourlyTable
from bionicpro_assets.quality.claims import MART
from bionicpro_assets.quality.labels import other_zone
from bionicpro_assets.report.measures import NAMES, Measures, together
from bionicpro_assets.report.period import Period
from bionicpro_assets.report.quality import Quality, read_quality
from bionicpro_assets.sqlfiles import sql

EVERYBODY, ALL_UNITS = "", 0
NOTHING = Measures()
MOST_UNITS, UNITS_OF_A_FLEET = 100, 10


@dataclass(frozen=True, slots=True)
class DayFacts:
    """A day: its measures, and how many people and prostheses they are of.

    Attributes:
        measures: Of all prostheses together.
        rows: Rows of reports.user_daily_stats.
        users: Patients with telemetry.
        prostheses: Prostheses with telemetry.
        low_battery: Of those, the ones whose battery was below 10 percent at some time.
    """

    measures: Measures = NOTHING
    rows: int = 0
    users: int = 0
    prostheses: int = 0
    low_battery: int = 0


@dataclass(frozen=True, slots=True)
class Unit:
    """A prosthesis in the period."""

    prosthesis_id: int
    model: str
    category: str
    serial: str
    first_date: date
    last_date: date
    measures: Measures


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a page needs.

    Attributes:
        period: The days it is about.
        user: The patient's login; empty for the fleet.
        name: The patient's name, as the mart has it last; empty for the fleet.
        days: Every day of the period with telemetry.
        by_hour: Of every hour of the day from 0 to 23, the measures of the period.
        typical: Of the same, the mean number of movements in an hour that was loaded as a whole, on days with
            telemetry; None if there is no such hour.
        units: A patient's prostheses; of a fleet those with the most errors.
        quality: What is missing or uncertain.
        read_at: When it was read.
        panels: The same of every prosthesis by itself, if a patient has several: to add up the hours or the batteries
            of two means nothing.
        previous: The same prosthesis in as many days before the period; None for several together, and for the fleet.
    """

    period: Period
    user: str
    name: str
    days: Mapping[date, DayFacts]
    by_hour: Sequence[Measures]
    typical: Sequence[float | None]
    units: Sequence[Unit]
    quality: Quality
    read_at: datetime
    panels: Sequence["Facts"] = ()
    previous: "Facts | None" = None

    @property
    def total(self) -> Measures:
        """The whole period."""
        return together(day.measures for day in self.days.values())

    def is_open(self, day: date) -> bool:
        """Whether the day hadn't ended when this was read."""
        return day_begins(day + DAY, self.period.zone) > self.read_at

    @property
    def incomplete(self) -> set[date]:
        """Days that haven't ended, aren't kept any more, or have hours that weren't loaded after they had ended."""
        lacking = [*self.quality.missing, *self.quality.unfinished, *self.quality.before]
        days = {local_day(hour, self.period.zone) for hour in lacking} | set(self.quality.dropped)
        return days | {day for day in self.period.days if self.is_open(day)}

    @property
    def whole_days(self) -> dict[date, DayFacts]:
        """The days with telemetry that are complete: those that can be compared."""
        incomplete = self.incomplete
        return {day: found for day, found in self.days.items() if day not in incomplete}


def read_facts(
    clickhouse: ClickHouse, period: Period, *, start: datetime, now: datetime, user: str = EVERYBODY
) -> Facts:
    """Read a patient's facts, or the fleet's; as `find_facts`.

    Raises:
        PlatformError: Nobody has this login, there is no telemetry in the period, or it is labelled with the hours of
            another time zone.
        ClickHouseError: ClickHouse can't be read.
    """
    facts = find_facts(clickhouse, period, start=start, now=now, user=user)
    if user and not facts.name:
        raise PlatformError(
            f"Nobody with the login {user!r} is in the reports. Logins are customers.external_id of the CRM, and only "
            "those whose prosthesis has sent telemetry are here."
        )
    if not facts.days:
        raise PlatformError(_nothing(clickhouse, period, user))
    loaded = HourlyTable.of(clickhouse, MART).current(clickhouse, period.hours[0], period.hours[-1] + HOUR)
    if problem := other_zone(clickhouse, sorted(loaded), period.zone):
        raise PlatformError(f"{problem}. A page of them would name wrong hours.")
    return facts


def find_facts(
    clickhouse: ClickHouse, period: Period, *, start: datetime, now: datetime, user: str = EVERYBODY
) -> Facts:
    """What there is to tell of a patient, or of the fleet; it may be nothing.

    Args:
        clickhouse: Where.
        period: The days.
        start: The first hour that is ever loaded.
        now: The present instant: hours that haven't ended can't be missing.
        user: The patient's login; the fleet if empty.

    Raises:
        ClickHouseError: ClickHouse can't be read.
    """
    HourlyTable.of(clickhouse, MART)
    facts = _find(clickhouse, period, start, now, user)
    if not user or not facts.units:
        return facts
    earlier = Period(period.first - len(period.days) * DAY, period.first - DAY, period.zone)
    previous = _find(clickhouse, earlier, start, now, user, facts.units)
    if not facts.panels:
        return replace(facts, previous=previous.panels[0])
    pairs = zip(facts.panels, previous.panels, strict=True)
    return replace(facts, panels=[replace(panel, previous=before) for panel, before in pairs])


def _find(
    clickhouse: ClickHouse, period: Period, start: datetime, now: datetime, user: str, of_units: Sequence[Unit] = ()
) -> Facts:
    """The facts of a period; with a panel for each of `of_units`, or, if there are none, of several found in it."""
    asked = {"user": user, "first_day": period.first, "last_day": period.last}
    people = _rows(clickhouse, "report_person", {"user": user}) if user else []
    columns = ("prosthesis_id", "model", "category", "serial", "first_date", "last_date")
    units = [
        Unit(**{c: row[c] for c in columns}, measures=_measures(row))
        for row in _rows(clickhouse, "report_units", asked | {"most": MOST_UNITS if user else UNITS_OF_A_FLEET})
    ]
    # The journal has the hours of the days that are gone as well: it keeps its entries for good.
    kept_from = local_day(now, period.zone) - RETENTION + DAY
    ended = [
        hour
        for hour in period.hours
        if hour >= start and hour + HOUR <= now and local_day(hour, period.zone) >= kept_from
    ]
    before = [hour for hour in period.hours if hour < start and hour + HOUR <= now]
    dropped = [day for day in period.days if day < kept_from and day >= local_day(start, period.zone)]
    quality = replace(read_quality(clickhouse, ended, user), dropped=dropped, before=before)
    # Labels, as the mart has them: where clocks repeat an hour, both go or stay.
    going_on = [hour for hour in period.hours if hour + HOUR > now]
    in_part = {_label(hour, period.zone) for hour in (*quality.unfinished, *before, *going_on)}
    lacking = {*quality.missing, *quality.unfinished}
    whole = [label for hour in ended if hour not in lacking and (label := _label(hour, period.zone)) not in in_part]

    def of(unit: int) -> tuple[dict[date, DayFacts], list[Measures], list[float | None]]:
        """By day and by hour of the day; of one prosthesis, or of all if it is 0."""
        days = {row["report_date"]: _day(row) for row in _rows(clickhouse, "report_days", asked | {"unit": unit})}
        some = asked | {"unit": unit, "in_part": sorted(in_part), "kept_from": kept_from}
        rows = {row["report_hour"]: row for row in _rows(clickhouse, "report_hours", some)}
        counts = Counter(hour for day, hour in whole if day in days)
        return (
            days,
            [_measures(rows[hour]) if hour in rows else NOTHING for hour in range(24)],
            [
                (rows[hour]["whole_movements"] if hour in rows else 0) / counts[hour] if counts[hour] else None
                for hour in range(24)
            ],
        )

    name = str(people[0]["customer_name"]) if people else ""
    facts = Facts(period, user, name, *of(ALL_UNITS), units, quality, now.astimezone(UTC))
    if not of_units and (not user or len(units) < 2):
        return facts
    panels = []
    for unit in of_units or units:
        days, by_hour, typical = of(unit.prosthesis_id)
        panels.append(replace(facts, days=days, by_hour=by_hour, typical=typical, units=[unit]))
    return replace(facts, panels=panels)


def _label(hour: datetime, zone: str) -> tuple[date, int]:
    """What report_date and report_hour are of the hour."""
    local = hour.astimezone(ZoneInfo(zone))
    return local.date(), local.hour


def _nothing(clickhouse: ClickHouse, period: Period, user: str) -> str:
    (span,) = _rows(clickhouse, "report_span", {"user": user})
    whose = f" of {user}" if user else ""
    if not span["days"]:
        return "There is no telemetry in the reports yet. Load it with: bionicpro materialize"
    return (
        f"There is no telemetry{whose} from {period.first} to {period.last}; there is on {span['days']} days from "
        f"{span['first_date']} to {span['last_date']}."
    )


def _rows(clickhouse: ClickHouse, name: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    names, rows = clickhouse.rows(sql(f"clickhouse/queries/{name}.sql"), parameters)
    return [dict(zip(names, row, strict=True)) for row in rows]


def _measures(row: Mapping[str, Any]) -> Measures:
    return Measures(**{name: row[name] for name in NAMES})


def _day(row: Mapping[str, Any]) -> DayFacts:
    return DayFacts(_measures(row), row["n"], row["users"], row["prostheses"], row["low_battery"])
