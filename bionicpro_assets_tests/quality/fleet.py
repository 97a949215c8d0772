"""A simulated fleet: who wears which chip, when it sends, and what the CRM says; and ticks of the platform over it.

Nothing here is wrong: what a claim finds in it is a false alarm.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from bionicpro_assets.frames import HOUR_DTYPE, HourlyFrame
from bionicpro_assets.hours import HOUR, floor_hour, hour_range
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.quality.claims import CRM, MART, REJECTED, TELEMETRY, Claim
from bionicpro_assets.quality.evaluate import evaluate
from bionicpro_assets.quality.verdict import HourVerdict
from bionicpro_assets.steps.crm import remembered
from bionicpro_assets.transform.crm_history import CrmAnswer, attribute
from bionicpro_assets_tests.publishing import publish_frame, publish_mart

INSTANT = pl.Datetime("us", "UTC")
TABLES = (CRM, TELEMETRY, REJECTED, MART)


@dataclass
class Wear:
    """One patient with one chip, from one instant to another, and the patient's habits."""

    chip: str
    prosthesis: int
    customer: int
    since: datetime
    until: datetime
    zone: ZoneInfo
    wakes: int
    sleeps: int
    later_at_weekends: int
    works_weekends: bool
    left_view: bool = False
    off: set[datetime] = field(default_factory=set)

    def sends(self, hour: datetime) -> bool:
        """Whether the chip sends in the hour."""
        if not self.since <= hour < self.until or hour in self.off:
            return False
        local = hour.astimezone(self.zone)
        weekend = local.weekday() >= 5
        begins = self.wakes + (self.later_at_weekends if weekend else 0)
        return begins <= local.hour < self.sleeps and (self.works_weekends or not weekend)


class Fleet:
    """Patients and their chips over five weeks up to `end`.

    Args:
        dice: All that is random.
        patients: How many at first.
        end: The instant at which the history ends.
        zone: Where most patients live.
    """

    def __init__(self, dice: random.Random, *, patients: int, end: datetime, zone: str) -> None:
        self.dice, self.end, self.zone = dice, end, ZoneInfo(zone)
        self.begin = floor_hour(end) - timedelta(days=36)
        self.worn: list[Wear] = []
        for _ in range(patients):
            self.new_patient(self.begin - timedelta(days=dice.randrange(30, 600)))
        for wear in list(self.worn):
            self.change(wear)
        for _ in range(dice.randrange(1 + patients // 10)):
            self.new_patient(self.moment())

    def moment(self) -> datetime:
        """Some moment of the history; often one of its last hours, which are those that are judged."""
        seconds = self.dice.choice([12 * 3600, 36 * 86400])
        return self.end - timedelta(seconds=self.dice.randrange(600, seconds))

    def new_patient(self, since: datetime, chip: str | None = None, prosthesis: int | None = None) -> Wear:
        dice, number = self.dice, len(self.worn) + 1
        wear = Wear(
            chip or f"CH-{number:05d}",
            prosthesis or number,
            number,
            since,
            datetime.max.replace(tzinfo=UTC),
            self.zone if dice.random() < 0.9 else ZoneInfo("Asia/Vladivostok"),
            wakes=dice.choice([6, 7, 7, 8, 9]),
            sleeps=dice.choice([21, 22, 22, 23, 24]),
            later_at_weekends=dice.choice([0, 1, 2, 3]),
            works_weekends=dice.random() < 0.8,
        )
        # An hour off now and then, or two that follow one another; some nights awake don't matter here.
        for hour in hour_range(max(floor_hour(since), self.begin), floor_hour(self.end)):
            if dice.random() < 0.02 and not {hour - HOUR, hour - 2 * HOUR, hour - 3 * HOUR} & wear.off:
                wear.off |= {hour} if dice.random() < 0.7 else {hour, hour + HOUR}
        self.worn.append(wear)
        return wear

    def change(self, wear: Wear) -> None:
        """In a year one prosthesis in four is retired, and one in six goes to somebody else: in five weeks fewer."""
        fate = self.dice.random()
        if fate < 0.025:
            wear.until, wear.left_view = self.moment(), self.dice.random() < 0.5
        elif fate < 0.04:
            wear.until = self.moment()
            self.new_patient(wear.until, wear.chip, wear.prosthesis)

    def answer(self, now: datetime) -> CrmAnswer:
        """What the CRM says at a moment: every wearer, and what is retired and still in the view."""
        taken = {w.chip for w in self.worn if w.since <= now < w.until}
        rows = []
        for w in self.worn:
            retired = w.until <= now
            if w.since > now or (retired and (w.left_view or w.chip in taken)):
                continue
            changed = w.until if retired else w.since
            rows.append(
                {
                    "customer_id": w.customer, "user_id": f"login{w.customer}",
                    "customer_full_name": f"Ivanova{w.customer} Anna{w.customer}",
                    "email": f"mail{w.customer}@example.org", "region": "europe", "branch": None,
                    "prosthesis_id": w.prosthesis, "prosthesis_serial": f"BP-{w.prosthesis}", "chip_id": w.chip,
                    "prosthesis_status": "retired" if retired else "active",
                    "prosthesis_model": "Model", "prosthesis_category": "hand", "customer_updated_at": w.since, "prosthesis_updated_at": changed,
                }
            )  # fmt: skip
        types: dict[str, pl.DataType] = {
            "branch": pl.String(),
            **dict.fromkeys(["customer_updated_at", "prosthesis_updated_at"], INSTANT),
        }
        return CrmAnswer(pl.DataFrame(rows, schema_overrides=types, infer_schema_length=None), now)

    def telemetry(self, hours: Sequence[datetime], now: datetime) -> HourlyFrame:
        """The rolled-up telemetry of the hours as it stands at a moment; the same hour comes out the same again."""
        sent = {(w.chip, hour): w.customer for w in self.worn for hour in hours if w.sends(hour) and hour <= now}
        frame = pl.DataFrame(
            {
                "chip_id": [chip for chip, _ in sent],
                "hour_start": [hour for _, hour in sent],
                "who": list(sent.values()),
            },
            schema={"chip_id": pl.String, "hour_start": HOUR_DTYPE, "who": pl.Int64},
        )
        return HourlyFrame(with_numbers(frame).drop("who"), dict.fromkeys(hours, now))


def with_numbers(frame: pl.DataFrame) -> pl.DataFrame:
    """Plausible measurements for rows of chip, hour and `who`; some hours without movements, some without a measurement."""
    chance = pl.struct("chip_id", "hour_start").hash(seed=7)
    movements = pl.when(chance % 17 == 0).then(0).otherwise((chance % 900).cast(pl.Int64) + 1)
    battery = (chance % 60).cast(pl.Int64) + 20
    quiet = movements == 0
    measured = frame.with_columns(
        movements_count=movements.cast(pl.Int64),
        successful_movements=(movements * 9 // 10).cast(pl.Int64),
        min_response_time=pl.when(~quiet).then(80 + (chance % 7).cast(pl.Int64)),
        avg_response_time=pl.when(~quiet).then(121.25 + (chance % 100).cast(pl.Float64) / 10),
        max_response_time=pl.when(~quiet).then(300 + (chance % 300).cast(pl.Int64)),
        min_battery_level=battery,
        avg_battery_level=battery.cast(pl.Float64) + 1.37,
        max_battery_level=battery + 5,
        avg_actuator_temp=pl.when(chance % 23 != 0).then(-3.0 + (chance % 40).cast(pl.Float64)),
        max_actuator_temp=pl.when(chance % 23 != 0).then(0.0 + (chance % 40).cast(pl.Float64)),
        error_count=(chance % 3).cast(pl.Int64),
        warning_count=(chance % 5).cast(pl.Int64),
        avg_myo_amplitude=(chance % 900).cast(pl.Float64) / 7,
        avg_connection_quality=60.0 + (chance % 4000).cast(pl.Float64) / 100,
        updated_at=(pl.col("hour_start") + pl.duration(minutes=5)).cast(INSTANT),
        source_fault=pl.lit(""),
    )
    rate = (100.0 * pl.col("successful_movements") / pl.col("movements_count")).round(2)
    return measured.with_columns(success_rate=pl.when(pl.col("movements_count") > 0).then(rate).otherwise(0.0))


def clear(clickhouse: ClickHouse) -> None:
    """Forget all that was ever published."""
    for name in ("publications", *(table.partition(".")[2] for table in TABLES)):
        clickhouse.command(f"TRUNCATE TABLE storage.{name}")


def tick(
    clickhouse: ClickHouse,
    crm: CrmAnswer | None,
    telemetry: HourlyFrame,
    claims: Sequence[Claim],
    *,
    zone: str,
    now: datetime,
) -> None:
    """What a run does, without Dagster and PostgreSQL: extracts, join, and four publications with their claims.

    Without an answer of the CRM, its extract of the hours stays as it is.
    """
    hours = telemetry.hours
    options: dict[str, Any] = {"run_id": "tick", "batch_size": 100_000, "claims": claims}
    if crm is not None:
        frame = attribute(crm, remembered(clickhouse, crm, hours), hours)
        publish_frame(clickhouse, CRM, frame, now=now, **options)
    publish_frame(clickhouse, TELEMETRY, telemetry, now=now, **options)
    publish_mart(clickhouse, hours, zone=zone, chunk_rows=1_000_000, now=now, **options)


def load_history(
    clickhouse: ClickHouse, fleet: Fleet, claims: Sequence[Claim], *, zone: str, ticks: int
) -> list[HourVerdict]:
    """Five weeks in one window of telemetry, the last days with all that follows from it, the last hours tick by tick.

    Returns:
        Of every tick, the claims that don't hold.
    """
    clear(clickhouse)
    last = floor_hour(fleet.end)
    live = last - ticks * HOUR
    before = hour_range(fleet.begin, live)
    publish_frame(clickhouse, TELEMETRY, fleet.telemetry(before, live), run_id="history", batch_size=100_000)
    # Once a day, a week long, the CRM is asked: who had the chip when the days of silence began must be known.
    for days in range(8, 0, -1):
        moment = live - timedelta(days=days)
        hours = hour_range(moment, moment + 23 * HOUR)
        answer = fleet.answer(moment + timedelta(minutes=30))
        frame = attribute(answer, remembered(clickhouse, answer, hours), hours)
        publish_frame(clickhouse, CRM, frame, run_id="history", batch_size=100_000)
    failing = []
    for hour in hour_range(live, last):
        now = min(hour + timedelta(minutes=50), fleet.end)
        window = hour_range(hour - 2 * HOUR, hour)
        tick(clickhouse, fleet.answer(now), fleet.telemetry(window, now), claims, zone=zone, now=now)
        failing += [v for v in evaluate(clickhouse, claims, window, now=now) if not v.passed]
    return failing
