"""Every corruption of data is caught by the claims that should, and by no others: stored rows, evaluated directly."""

import random
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from bionicpro_assets.days import hours_of_day, local_day
from bionicpro_assets.frames import HourlyFrame
from bionicpro_assets.hours import HOUR, floor_hour, hour_range
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.table import HourlyTable
from bionicpro_assets.load.write import new_publication_number
from bionicpro_assets.quality.claims import MART, TELEMETRY, claims
from bionicpro_assets.quality.daily import daily_claims, evaluate_days
from bionicpro_assets.quality.evaluate import evaluate
from bionicpro_assets.quality.source_claims import crm_contract, crm_rows, no_hour_ahead, raw_claims, telemetry_contract
from bionicpro_assets.quality.stored import published_claim, published_verdict
from bionicpro_assets.quality.verdict import HourVerdict
from bionicpro_assets.setup.clickhouse import apply_clickhouse_schema
from bionicpro_assets.sqlfiles import sql
from bionicpro_assets_tests.publishing import publish_frame
from bionicpro_assets_tests.quality import corruptions
from bionicpro_assets_tests.quality.corruptions import DAYS, ODD, STORED, short_name
from bionicpro_assets_tests.quality.fleet import TABLES, Fleet, Wear, clear, tick
from bionicpro_assets_tests.quality.histories import settings

NOW = datetime.now(UTC)
ZONE = "Europe/Moscow"
CHIPS = 24
CLAIMS = claims(settings(ZONE))
CONSTANTS: dict[str, Any] = {
    "movements_count": 100, "successful_movements": 90, "success_rate": 90.0, "avg_response_time": 121.24,
    "min_response_time": 80, "max_response_time": 240, "avg_battery_level": 77.11, "min_battery_level": 70,
    "max_battery_level": 84, "avg_actuator_temp": 33.33, "max_actuator_temp": 36.6, "error_count": 3, "warning_count": 5,
    "avg_myo_amplitude": 55.56, "avg_connection_quality": 97.25,
}  # fmt: skip
# What may be in no sample: the simulated names, logins and addresses.
PERSONAL = re.compile(r"(Anna|Ivanova|login|mail)\d|@")


def steady_fleet(end: datetime) -> Fleet:
    """Patients who wear their chips C01 to C24 day and night."""
    fleet = Fleet(random.Random(1), patients=0, end=end, zone="UTC")
    for n in range(1, CHIPS + 1):
        ever = datetime.max.replace(tzinfo=UTC)
        fleet.worn.append(Wear(f"C{n:02d}", n, n, fleet.begin - HOUR, ever, fleet.zone, 0, 24, 0, True))
    return fleet


def readings(fleet: Fleet, hours: list[datetime], now: datetime) -> HourlyFrame:
    frame = fleet.telemetry(hours, now)
    columns = [pl.lit(value).alias(name) for name, value in CONSTANTS.items()]
    return HourlyFrame(frame.rows.with_columns(columns), frame.read_at)


def write(clickhouse: ClickHouse, table: HourlyTable, hour: datetime, rows: str) -> int:
    """Store other rows for an hour, under a publication that nobody sees; its number."""
    relation, parameters = table.relation([hour])
    telemetry, _ = HourlyTable.of(clickhouse, TELEMETRY).relation([hour])
    number, columns = new_publication_number(), ", ".join(c.name for c in table.columns)
    selected = rows.replace("{rows}", relation).replace("{telemetry}", telemetry)
    clickhouse.command(
        f"INSERT INTO {table.storage} ({columns}, publication) SELECT {columns}, {number} FROM ({selected})", parameters
    )
    return number


def commit(clickhouse: ClickHouse, table: HourlyTable, numbers: Mapping[datetime, int]) -> None:
    """Make stored publications the visible ones, as nothing of the platform does without looking at them first."""
    for hour, number in numbers.items():
        clickhouse.command(
            "INSERT INTO storage.publications (table_name, hour_start, publication, source_read_at, started_at, row_count, checksum, run_id) "
            f"SELECT '{table.name}', toDateTime({int(hour.timestamp())}, 'UTC'), {number}, now64(6) + 1, now64(6), count(), 0, 'tampered' "
            f"FROM {table.storage} WHERE publication = {number}"
        )


def by_hour(verdicts: list[HourVerdict]) -> dict[datetime, set[str]]:
    found = defaultdict(set)
    for verdict in verdicts:
        impersonal(verdict)
        for hour in verdict.failing:
            found[hour].add(short_name(verdict.claim))
    return found


def impersonal(verdict: HourVerdict) -> None:
    """A sample names chips and numbers, never a person."""
    said = str(verdict) + "".join(s for v in verdict.found.values() for s in v.sample)
    assert not PERSONAL.search(said), said


@pytest.fixture(scope="module")
def engine(tmp_path_factory) -> Iterator[ClickHouse]:
    """An engine in a time zone that isn't that of the hours, nor that of the reports."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "America/St_Johns")
        time.tzset()
        with ClickHouse(f"chdb://{tmp_path_factory.mktemp('corruptions')}/clickhouse") as clickhouse:
            apply_clickhouse_schema(clickhouse)
            yield clickhouse
    time.tzset()


@dataclass
class Found:
    """Of every line of STORED: its hour, what kept its rows from being published, what was found when they were."""

    hours: list[datetime]
    clean: dict[datetime, set[str]]
    blocked: dict[datetime, set[str]]
    visible: dict[datetime, set[str]]


@pytest.fixture(scope="module")
def found(engine) -> Found:
    """All lines in one state of the database: each corrupts an hour of its own."""
    hours = hour_range(floor_hour(NOW) - (len(STORED) + 2) * HOUR, floor_hour(NOW) - 3 * HOUR)[::-1]
    fleet = steady_fleet(NOW)
    tick(engine, fleet.answer(NOW), readings(fleet, hours, NOW), CLAIMS, zone=ZONE, now=NOW)
    # Ten minutes before the last of the hours begins.
    then = hours[0] - timedelta(minutes=10)
    timeless = [c for c in CLAIMS if not c.name.endswith("_is_fresh")]
    clean = by_hour(evaluate(engine, timeless, hours, now=NOW))
    before = engine.rows("SELECT * FROM reports.user_prosthesis_stats ORDER BY ALL")[1]
    blocked: dict[datetime, set[str]] = {}
    written = []
    for name in TABLES:
        table = HourlyTable.of(engine, name)
        numbers = {
            hour: write(engine, table, hour, line.rows)
            for line, hour in zip(STORED, hours, strict=True)
            if line.table == name
        }
        written.append((table, numbers))
        about = [c for c in CLAIMS if c.table == name or c.table == TELEMETRY]
        unseen = evaluate(engine, about, sorted(numbers), now=then, unseen={name: numbers})
        blocked |= by_hour([v for v in unseen if v.claim.table == name and v.claim.blocking])
    assert engine.rows("SELECT * FROM reports.user_prosthesis_stats ORDER BY ALL")[1] == before
    for table, numbers in written:
        commit(engine, table, numbers)
    return Found(hours, clean, blocked, by_hour(evaluate(engine, timeless, hours, now=then)))


def test_nothing_is_caught_where_nothing_is_wrong(found):
    assert found.clean == {}


@pytest.mark.parametrize("number", range(len(STORED)), ids=[f"{line.table}: {line.words}" for line in STORED])
def test_rows_stored_as_something_else(found, number):
    line, hour = STORED[number], found.hours[number]
    caught = set(line.caught.split())
    # What the CRM lost is judged once: when it is about to be published.
    assert found.visible.get(hour, set()) == caught - {"crm.crm_not_shrunk"}
    blocking = {short_name(c) for c in CLAIMS if c.blocking and c.table == line.table}
    assert found.blocked.get(hour, set()) == caught & blocking, "kept from being published"


def test_every_claim_is_exercised_by_a_corruption():
    lines = [*STORED, *corruptions.SENT, *corruptions.BLOCKED, *corruptions.RAW, *ODD, *DAYS]
    exercised = {name for line in lines for name in line.caught.split()} | set(corruptions.ELSEWHERE)
    everything = [
        *CLAIMS,
        *daily_claims(),
        *raw_claims(),
        crm_contract(),
        *crm_rows(),
        telemetry_contract(),
        no_hour_ahead(),
        published_claim(),
    ]
    assert exercised == {short_name(claim) for claim in everything}
    for test in corruptions.ELSEWHERE.values():
        assert callable(globals()[test])
    assert len(lines) >= 40


@pytest.fixture(scope="module")
def usual(engine, found) -> list[datetime]:
    """Five weeks of telemetry of which nothing is wrong, and the last hours of it all; the last of them."""
    # Long before the hours that the lines above corrupted.
    last = floor_hour(NOW) - timedelta(days=20)
    fleet = steady_fleet(last)
    hours = hour_range(fleet.begin, last)
    publish_frame(engine, TELEMETRY, readings(fleet, hours, last + HOUR), run_id="usual", batch_size=100_000)
    recent = hours[-40:]
    tick(engine, fleet.answer(last), readings(fleet, recent, last + HOUR), CLAIMS, zone=ZONE, now=last + HOUR)
    return recent


def test_a_usual_hour_is_usual(engine, usual):
    telemetry = [c for c in CLAIMS if c.table == TELEMETRY and c.name != "source_is_fresh"]
    verdicts = evaluate(engine, telemetry, usual, now=usual[-1] + HOUR)
    assert by_hour(verdicts) == {}
    looked = {v.claim.name: sum(h.checked for h in v.found.values()) for v in verdicts}
    assert looked["no_prosthesis_silent"] == 24 * CHIPS
    assert looked["volume_as_usual"] == 40 * CHIPS


@pytest.mark.parametrize("number", range(len(ODD)), ids=[line.words for line in ODD])
def test_what_a_fleet_does_not_usually_do(engine, usual, number):
    line, table = ODD[number], HourlyTable.of(engine, TELEMETRY)
    # Six hours for each line.
    last = usual[-1 - 6 * number]
    commit(engine, table, {h: write(engine, table, h, line.rows) for h in (last - ago * HOUR for ago in line.ago)})
    telemetry = [c for c in CLAIMS if c.table == TELEMETRY and c.name != "source_is_fresh"]
    verdicts = by_hour(evaluate(engine, telemetry, hour_range(last - 2 * HOUR, last), now=last + HOUR))
    assert verdicts.get(last, set()) == set(line.caught.split())


def test_a_hole_in_what_was_loaded_is_no_silence(engine, usual):
    """An hour that was never loaded says nothing about prostheses."""
    hour = usual[0] - timedelta(days=40)
    silent = next(c for c in CLAIMS if c.name == "no_prosthesis_silent")
    (verdict,) = evaluate(engine, [silent], [hour])
    assert verdict.found == {}


@pytest.fixture
def emptied(engine) -> Iterator[ClickHouse]:
    """An engine in which nothing was ever published. There can be one in a process, so it is the one of the others."""
    clear(engine)
    yield engine
    apply_clickhouse_schema(engine)


def test_a_source_that_stopped(emptied):
    fresh = [c for c in CLAIMS if c.name == "source_is_fresh"]
    fleet, night = steady_fleet(NOW), floor_hour(NOW).replace(hour=23) - timedelta(days=1)
    # Sends from 4 to 20 only.
    for wear in fleet.worn:
        wear.wakes, wear.sleeps = 4, 20
    hours = hour_range(night - 200 * HOUR, night)
    publish_frame(emptied, TELEMETRY, readings(fleet, hours, NOW), run_id="r", batch_size=100_000)

    def late(now: datetime) -> bool:
        return not evaluate(emptied, fresh, hours[-3:], now=now)[0].passed

    assert not late(night + HOUR), "it sleeps"
    assert late(night + timedelta(hours=7)), "it should be awake"
    stopped = night.replace(hour=10)
    table = HourlyTable.of(emptied, TELEMETRY)
    nothing = "SELECT * FROM {rows} WHERE 0"
    commit(emptied, table, {h: write(emptied, table, h, nothing) for h in hour_range(stopped, night)})
    assert not late(stopped + timedelta(minutes=74))
    assert late(stopped + timedelta(minutes=76))
    assert late(night)
    assert late(stopped + timedelta(days=2))


def test_a_source_that_never_sent(emptied):
    fresh = [c for c in CLAIMS if c.name == "source_is_fresh"]
    hours = hour_range(floor_hour(NOW) - 3 * HOUR, floor_hour(NOW))
    fleet = Fleet(random.Random(1), patients=0, end=NOW, zone="UTC")
    publish_frame(emptied, TELEMETRY, fleet.telemetry(hours, NOW), run_id="r", batch_size=100_000)
    (verdict,) = evaluate(emptied, fresh, hours, now=hours[0] + timedelta(minutes=70))
    assert verdict.passed
    (verdict,) = evaluate(emptied, fresh, hours, now=hours[0] + timedelta(minutes=140))
    assert "no row has ever come" in str(verdict)


def test_a_mart_that_stopped(emptied):
    fresh = [c for c in CLAIMS if c.name == "mart_is_fresh"]
    hours, fleet = hour_range(floor_hour(NOW) - 9 * HOUR, floor_hour(NOW) - 7 * HOUR), steady_fleet(NOW)
    read = hours[-1] + timedelta(minutes=50)
    tick(emptied, fleet.answer(read), readings(fleet, hours, read), CLAIMS, zone=ZONE, now=read)

    def late(now: datetime) -> bool:
        return not evaluate(emptied, fresh, hours, now=now)[0].passed

    assert not late(read + timedelta(minutes=74))
    assert late(read + timedelta(minutes=76)), "not read again"
    # An older hour that is read again doesn't make the newest one fresh.
    again = read + timedelta(minutes=70)
    tick(emptied, fleet.answer(again), readings(fleet, hours[:1], again), CLAIMS, zone=ZONE, now=again)
    assert late(read + timedelta(minutes=76))
    # The newest hour that is read again does, but not for ever.
    tick(emptied, fleet.answer(again), readings(fleet, hours[-1:], again), CLAIMS, zone=ZONE, now=again)
    assert not late(hours[-1] + timedelta(minutes=134))
    assert late(hours[-1] + timedelta(minutes=136)), "the hours after it are missing"


VIEW = "CREATE OR REPLACE VIEW reports.user_prosthesis_stats AS SELECT {} FROM storage.user_prosthesis_stats_rows"
BEHIND: dict[str, Callable[[str, str], str]] = {
    "a row inserted": lambda rows, hour: (
        f"INSERT INTO {rows} SELECT * REPLACE (prosthesis_id + 999 AS prosthesis_id) FROM {rows} WHERE {hour} AND chip_id = 'C01'"
    ),
    "a row doubled": lambda rows, hour: f"INSERT INTO {rows} SELECT * FROM {rows} WHERE {hour} AND chip_id = 'C01'",
    "a row deleted": lambda rows, hour: f"DELETE FROM {rows} WHERE {hour} AND chip_id = 'C01'",
    "all rows deleted": lambda rows, hour: f"DELETE FROM {rows} WHERE {hour}",
    "a number altered": lambda rows, hour: (
        f"ALTER TABLE {rows} UPDATE error_count = 4 WHERE {hour} AND chip_id = 'C01' SETTINGS mutations_sync = 1"
    ),
}


def test_rows_changed_behind_the_journal(emptied):
    hours, fleet = hour_range(floor_hour(NOW) - 9 * HOUR, floor_hour(NOW) - HOUR), steady_fleet(NOW)
    tick(emptied, fleet.answer(NOW), readings(fleet, hours, NOW), CLAIMS, zone=ZONE, now=NOW)
    assert published_verdict(emptied, hours).passed
    for hour, (words, change) in zip(hours, BEHIND.items(), strict=False):
        emptied.command(
            change("storage.user_prosthesis_stats", f"hour_start = toDateTime({int(hour.timestamp())}, 'UTC')")
        )
        assert published_verdict(emptied, [hour]).failing == [hour], words
    assert published_verdict(emptied, hours[-3:]).passed
    # The rows are as they were, and readers don't get them.
    columns = ", ".join(HourlyTable.of(emptied, MART).public_columns)
    emptied.command(VIEW.format(columns) + " WHERE chip_id != 'C01'")
    verdict = published_verdict(emptied, hours[-2:])
    assert verdict.failing == [hours[-1]]
    impersonal(verdict)


@pytest.fixture(scope="module")
def last_days(engine, found) -> date:
    """Three days of varied readings, in the reports; the middle one."""
    clear(engine)
    day = local_day(NOW, ZONE) - timedelta(days=9)
    hours = [hour for ago in (-1, 0, 1) for hour in hours_of_day(day + timedelta(days=ago), ZONE)]
    fleet = steady_fleet(NOW)
    frame = fleet.telemetry(hours, NOW)
    # One that never moves.
    still = {"movements_count": 0, "successful_movements": 0, "success_rate": 0.0} | dict.fromkeys(
        ["min_response_time", "avg_response_time", "max_response_time"]
    )
    columns = [
        pl.when(pl.col("chip_id") == "C24").then(pl.lit(v)).otherwise(pl.col(c)).alias(c) for c, v in still.items()
    ]
    tick(
        engine,
        fleet.answer(NOW),
        HourlyFrame(frame.rows.with_columns(columns), frame.read_at),
        CLAIMS,
        zone=ZONE,
        now=NOW,
    )
    return day


@pytest.mark.parametrize("number", range(len(DAYS)), ids=[line.words for line in DAYS])
def test_corrupted_days(engine, last_days, number):
    line, table = DAYS[number], HourlyTable.of(engine, MART)
    days = [last_days + timedelta(days=ago) for ago in (-1, 0, 1)]
    hour = hours_of_day(last_days, ZONE)[12]
    view = sql("clickhouse/schema/310_reports_user_daily_stats.sql")
    journal = f"table_name = '{MART}' AND hour_start = toDateTime({int(hour.timestamp())}, 'UTC')"
    kept = engine.rows(f"SELECT publication FROM storage.publications WHERE {journal}")[1][0][0]

    def caught() -> dict[date, set[str]]:
        verdicts = evaluate_days(engine, days, zone=ZONE, start=hour - timedelta(days=2), now=NOW)
        offences = defaultdict(set)
        for verdict in verdicts:
            assert not PERSONAL.search(str(verdict))
            for day in verdict.failing:
                offences[day].add(short_name(verdict.claim))
        return offences

    assert caught() == {}
    if line.rows == "DELETE":
        engine.command(f"DELETE FROM storage.publications WHERE {journal}")
    elif line.rows:
        commit(engine, table, {hour: write(engine, table, hour, line.rows)})
    assert line.view[0] in view
    engine.command(view.replace(*line.view, 1))
    try:
        offences = caught()
        assert offences.get(last_days, set()) == set(line.caught.split())
    finally:
        engine.command(view)
        engine.command(f"DELETE FROM storage.publications WHERE {journal}")
        commit(engine, table, {hour: kept})


COUNTS: list[Any] = [None, 0, 1, 2**31, 2**32 - 1]
TIMES: list[Any] = [None, 0, 1, 2**24 + 1, 2**32 - 1]
LEVELS: list[Any] = [None, 0, 1, 33, 100]
DEGREES: list[Any] = [None, -40.0, -0.0, 0.0, 0.005, 1e30, 3.4e38, -3.4e38]
EXTREMES: dict[str, list[Any]] = {
    "movements_count": COUNTS,
    "successful_movements": COUNTS,
    "error_count": COUNTS,
    "warning_count": COUNTS,
    "min_response_time": TIMES,
    "avg_response_time": [None, 0.0, 0.01, 0.99, 2.0**24 + 1, 2.0**32 - 1, 2.0**32 - 1.5],
    "max_response_time": TIMES,
    "min_battery_level": LEVELS,
    "avg_battery_level": [None, 0.0, 0.004, 0.99, 33.33, 33.34, 99.995, 100.0],
    "max_battery_level": LEVELS,
    "avg_actuator_temp": DEGREES,
    "max_actuator_temp": DEGREES,
    "avg_myo_amplitude": [None, 0.0, 1e-40, 4.3e9, 3.4e38],
    "avg_connection_quality": [None, 0.0, 1e-9, 99.999999999, 100.0],
}


def test_what_is_not_set_aside_never_blocks_the_mart(emptied):
    """The rules of the quarantine and the claims of the mart say the same, also at the limits of its types."""
    dice, hours, fleet = (
        random.Random(5),
        hour_range(floor_hour(NOW) - 60 * HOUR, floor_hour(NOW) - HOUR),
        steady_fleet(NOW),
    )
    frame = readings(fleet, hours, NOW)
    rows = frame.rows
    for name, values in EXTREMES.items():
        # Mostly as they were: else nearly no row would pass the rules.
        drawn = [dice.choice(values) if dice.random() < 0.25 else old for old in rows[name]]
        real = name.startswith("avg") or name.endswith("temp")
        rows = rows.with_columns(pl.Series(name, drawn, dtype=pl.Float64 if real else pl.Int64))
    counts = pl.col("movements_count"), pl.col("successful_movements")
    rate = pl.when(counts[0] > 0).then((100.0 * counts[1] / counts[0]).round(2)).otherwise(0.0)
    extreme = HourlyFrame(rows.with_columns(success_rate=rate), frame.read_at)
    tick(emptied, fleet.answer(NOW), extreme, CLAIMS, zone=ZONE, now=NOW)
    _, ((kept, aside),) = emptied.rows(
        "SELECT (SELECT count() FROM reports.user_prosthesis_stats), (SELECT count() FROM quarantine.rejected_telemetry)"
    )
    assert kept + aside == len(hours) * CHIPS
    assert min(kept, aside) > 100


@pytest.mark.parametrize(
    "columns",
    [
        "* EXCEPT (user_id), user_id",
        "* EXCEPT (error_count)",
        "* REPLACE (toInt64(movements_count) AS movements_count)",
        "* RENAME",
    ],
)
def test_another_mart_under_its_name(emptied, columns):
    contracted = [c for c in CLAIMS if c.name == "mart_as_contracted"]
    assert evaluate(emptied, contracted, [floor_hour(NOW)])[0].passed
    if columns == "* RENAME":
        emptied.command("DROP VIEW reports.user_prosthesis_stats")
        emptied.command("CREATE VIEW reports.user_prosthesis_stats AS SELECT 1 AS x")
    else:
        emptied.command(VIEW.format(columns))
    assert evaluate(emptied, contracted, [floor_hour(NOW)])[0].failing == [floor_hour(NOW)]
