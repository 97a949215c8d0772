"""A fleet of four patients around a day of 25 hours, and what SQL on the sources says their reports must hold."""

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bionicpro_assets.hours import HOUR, floor_hour, hour_range
from bionicpro_assets_tests.integration.sources import Sources

COLUMNS = (
    "chip_id, hour_start, movements_count, successful_movements, avg_response_time, min_response_time, "
    "max_response_time, avg_battery_level, min_battery_level, max_battery_level, avg_actuator_temp, max_actuator_temp, "
    "error_count, warning_count, avg_myo_amplitude, avg_connection_quality"
)
PUT = f"""
    INSERT INTO telemetry.hourly_stats ({COLUMNS})
    SELECT {COLUMNS} FROM json_populate_recordset(NULL::telemetry.hourly_stats, %s)
    ON CONFLICT (chip_id, hour_start) DO UPDATE SET ({COLUMNS}, updated_at)
        = ({", ".join(f"excluded.{c}" for c in COLUMNS.split(", "))}, clock_timestamp())
"""
# Written from the contract: what each number means, and which weight it has. Averages as the deployed view rounds them.
MEASURES = """
    count(DISTINCT (p.prosthesis_id, hour_start))::int,
    coalesce(sum(movements_count), 0)::int, coalesce(sum(successful_movements), 0)::int,
    (100.0 * sum(successful_movements) / nullif(sum(movements_count), 0))::float8,
    (sum(round(avg_response_time::numeric, 2) * movements_count) FILTER (WHERE avg_response_time IS NOT NULL)
        / nullif(sum(movements_count) FILTER (WHERE avg_response_time IS NOT NULL), 0))::float8,
    min(min_battery_level)::int, avg(round(avg_battery_level::numeric, 2))::float8,
    max(round(max_actuator_temp::numeric, 2))::float8,
    coalesce(sum(error_count), 0)::int, coalesce(sum(warning_count), 0)::int,
    avg(round(avg_connection_quality::numeric, 2))::float8
"""
NAMES = (
    "hours_active", "movements_count", "successful_movements", "success_rate", "avg_response_time", "min_battery_level",
    "avg_battery_level", "max_actuator_temp", "error_count", "warning_count", "avg_connection_quality",
)  # fmt: skip
USERS = {"anna": ["C1", "C2"], "boris": ["C3"], "clara": ["C4"], "dora": ["C5"]}


def repeated_hour(now: datetime) -> tuple[str, date]:
    """A zone whose clocks went back in the half-year before now, and that day: the mart keeps a year."""
    for days in range(4, 360):
        for zone in ("Europe/Berlin", "Australia/Sydney"):
            day = (now - timedelta(days=days)).date()
            begins = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
            if (begins + timedelta(days=1)).astimezone(UTC) - begins.astimezone(UTC) == 25 * HOUR:
                return zone, day
    raise AssertionError


IMPOSSIBLE = {"movements_count": 10, "successful_movements": 11}


@dataclass(frozen=True)
class Reporting:
    """Three days of the zone, of which the second has 25 hours, in both sources."""

    sources: Sources
    zone: str
    day: date
    chips: dict[str, int]

    @classmethod
    def fill(cls, sources: Sources) -> "Reporting":
        zone, day = repeated_hour(datetime.now(UTC))
        chips = {chip: sources.add_wearer(chip, user) for user, chips in USERS.items() for chip in chips}
        made = cls(sources, zone, day, chips)
        dice = random.Random(7)
        made.put(
            reading(dice, chip, hour)
            for chip in ("C1", "C2", "C3", "C4")
            for hour in made.hours
            # C1 is on day and night; C4 sends for two hours of the last day and never moves.
            if chip == "C1" or (chip == "C4" and hour in made.hours[-3:-1]) or (chip != "C4" and dice.random() < 0.6)
        )
        # Set aside: values that can't be, and a chip that nobody knows.
        good, bad = reading(dice, "C5", made.hours[30]), reading(dice, "C5", made.hours[31])
        made.put([good, bad | IMPOSSIBLE, reading(dice, "UNKNOWN", made.hours[31])])
        return made

    @property
    def hours(self) -> list[datetime]:
        begins = datetime(*self.first.timetuple()[:3], tzinfo=ZoneInfo(self.zone)).astimezone(UTC)
        return hour_range(begins, begins + 72 * HOUR)

    @property
    def first(self) -> date:
        return self.day - timedelta(days=1)

    @property
    def last(self) -> date:
        return self.day + timedelta(days=1)

    def put(self, rows: Iterable[dict[str, Any]]) -> None:
        self.sources.in_telemetry(PUT, (json.dumps(list(rows)),))

    def ask(self, group: str, where: str = "true", measures: str = MEASURES) -> list[tuple[Any, ...]]:
        """Measures of the sources by some columns: `user_id`, `prosthesis_id`, `day`, `hour`."""
        owners = json.dumps(
            [{"chip_id": c, "user_id": u, "prosthesis_id": self.chips[c]} for u, cs in USERS.items() for c in cs]
        )
        return self.sources.in_telemetry(
            f"""SELECT {group}, {measures} FROM telemetry.hourly_stats
            JOIN json_to_recordset(%(owners)s) AS p(chip_id text, user_id text, prosthesis_id int) USING (chip_id)
            CROSS JOIN LATERAL (SELECT (hour_start AT TIME ZONE %(zone)s)::date AS day,
                                       extract(hour FROM hour_start AT TIME ZONE %(zone)s)::int AS hour) AS local
            WHERE successful_movements <= movements_count AND {where} GROUP BY {group} ORDER BY {group}""",
            {"owners": owners, "zone": self.zone},
        )


def reading(dice: random.Random, chip: str, hour: datetime) -> dict[str, Any]:
    """A row of hourly_stats that may be: some hours without movements, some without this or that measurement."""
    moves = chip != "C4" and dice.random() < 0.85
    movements = dice.randint(1, 900) if moves else 0
    response = dice.randint(60, 400) if moves and dice.random() < 0.9 else None
    battery = dice.randint(5, 90) if dice.random() < 0.9 else None
    warm = round(dice.uniform(-8, 40), 3) if dice.random() < 0.9 else None
    return {
        "chip_id": chip,
        "hour_start": hour.isoformat(),
        "movements_count": movements,
        "successful_movements": dice.randint(movements // 2, movements),
        "avg_response_time": response and response + dice.random(),
        "min_response_time": response and response - 20,
        "max_response_time": response and response + 60,
        "avg_battery_level": battery and battery + dice.random(),
        "min_battery_level": battery and battery - 3,
        "max_battery_level": battery and battery + 6,
        "avg_actuator_temp": warm,
        "max_actuator_temp": warm and warm + 4,
        "error_count": dice.choice([0, 0, 0, 2, 5]),
        "warning_count": dice.choice([0, 1, 9]),
        "avg_myo_amplitude": dice.uniform(0, 300),
        "avg_connection_quality": dice.uniform(50, 100) if dice.random() < 0.9 else None,
    }


def open_hour() -> datetime:
    return floor_hour(datetime.now(UTC))
