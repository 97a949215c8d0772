"""raw_telemetry by days: what makes the partitions, where stray readings go, and how old days leave."""

import threading
from datetime import UTC, datetime, timedelta

import psycopg2
import pytest

from bionicpro_assets.extract.telemetry import roll_up
from bionicpro_assets.setup.postgres import apply_postgres_schema
from bionicpro_assets.sqlfiles import sql
from bionicpro_assets_tests.integration.sources import execute

DAY = timedelta(days=1)
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
SEND = "INSERT INTO telemetry.raw_telemetry (chip_id, timestamp, movement_type) VALUES (%s, %s, 'grip')"
KEEP = "SELECT * FROM telemetry.keep_raw_partitions()"
MOVEMENTS = "SELECT chip_id, movements_count FROM telemetry.hourly_stats WHERE hour_start = %s ORDER BY 1"


def days(sources):
    found = sources.in_telemetry(
        "SELECT since, until FROM telemetry.raw_partitions WHERE NOT is_default ORDER BY since"
    )
    assert all(until - since == DAY for since, until in found)
    return [since for since, _ in found]


def where(sources, chip):
    rows = sources.in_telemetry(
        "SELECT tableoid::regclass::text FROM telemetry.raw_telemetry WHERE chip_id = %s", (chip,)
    )
    return [name for (name,) in rows]


def test_days_are_made_ahead_and_readings_outside_are_kept_counted_and_moved(sources):
    assert days(sources) == [TODAY, TODAY + DAY, TODAY + 2 * DAY]
    sources.in_telemetry("SELECT telemetry.make_raw_partitions(%s, %s)", (TODAY - 3 * DAY, TODAY - 3 * DAY))
    yesterday = TODAY - DAY + timedelta(hours=7)
    for chip, moment in (("LATE", yesterday), ("CLOCK", datetime(1970, 1, 1, tzinfo=UTC)), ("NOW", datetime.now(UTC))):
        sources.in_telemetry(SEND, (chip, moment))
    assert where(sources, "LATE") == where(sources, "CLOCK") == ["telemetry.raw_telemetry_default"]
    # Rolled up from the default partition, like any other, by the call that gives the day its partition.
    rolled_up = roll_up(sources.telemetry, [yesterday])
    assert (rolled_up.outside, rolled_up.upkeep_problem) == (1, "")
    assert sources.in_telemetry(MOVEMENTS, (yesterday,)) == [("LATE", 1)]
    assert where(sources, "LATE") == [f"telemetry.raw_telemetry_{yesterday:%Y_%m_%d}"]
    assert where(sources, "CLOCK") == ["telemetry.raw_telemetry_default"]
    assert sources.in_telemetry(KEEP) == [(0, 0, 1)], "nothing left to do"


@pytest.mark.parametrize("zone", ["Pacific/Chatham", "America/New_York"])
def test_a_day_is_a_utc_day_whatever_the_zone(sources, zone):
    # In spring New York has a day of 23 hours.
    spring = datetime(2026, 3, 7, tzinfo=UTC)
    sources.in_telemetry(
        f"SET timezone = '{zone}'; SELECT telemetry.make_raw_partitions(%s, %s)", (spring, spring + 3 * DAY)
    )
    assert days(sources)[:4] == [spring + n * DAY for n in range(4)]


def test_old_days_are_detached_in_two_steps_and_their_hours_stay(sources):
    old, kept = TODAY - 10 * DAY, TODAY - 8 * DAY
    sources.in_telemetry("SELECT telemetry.make_raw_partitions(%s, %s)", (old, TODAY))
    for day in (old, kept):
        sources.in_telemetry(SEND, ("C1", day))
        roll_up(sources.telemetry, [day])
    sources.in_telemetry("UPDATE telemetry.raw_retention SET keep_days = 8")
    assert sources.in_telemetry(KEEP) == [(0, 0, 0)], "the limit moves before anything goes"
    assert sources.in_telemetry("SELECT kept_since FROM telemetry.raw_retention") == [(kept,)]
    assert sources.in_telemetry(KEEP) == [(0, 2, 0)]
    assert days(sources)[0] == kept
    assert sources.in_telemetry(f"SELECT chip_id FROM telemetry.raw_telemetry_{old:%Y_%m_%d}") == [("C1",)], (
        "kept aside"
    )
    for day in (old, kept):
        roll_up(sources.telemetry, [day])
        assert sources.in_telemetry(MOVEMENTS, (day,)) == [("C1", 1)]
    # A reading of a day that is gone: kept, and no day is made for it.
    sources.in_telemetry(SEND, ("C1", old))
    assert sources.in_telemetry(KEEP) == [(0, 0, 1)]
    sources.in_telemetry("UPDATE telemetry.raw_retention SET drop_detached = true, kept_since = %s", (kept + DAY,))
    assert sources.in_telemetry(KEEP) == [(0, 1, 1)]
    assert sources.in_telemetry(f"SELECT to_regclass('telemetry.raw_telemetry_{kept:%Y_%m_%d}')") == [(None,)]
    with pytest.raises(psycopg2.errors.CheckViolation):
        sources.in_telemetry("UPDATE telemetry.raw_retention SET keep_days = 1")


def test_readings_that_were_never_rolled_up_are_not_let_go(sources):
    """After an outage that was longer than readings are kept: nobody has counted them yet."""
    old, waiting, kept = TODAY - 12 * DAY, TODAY - 10 * DAY + timedelta(hours=5), TODAY - 8 * DAY
    sources.in_telemetry("SELECT telemetry.make_raw_partitions(%s, %s)", (old, TODAY))
    for moment in (old, waiting):
        sources.in_telemetry(SEND, ("C1", moment))
    assert roll_up(sources.telemetry, [old]).upkeep_problem == ""
    sources.in_telemetry("UPDATE telemetry.raw_retention SET keep_days = 8")
    for _ in range(3):
        problem = roll_up(sources.telemetry, [TODAY]).upkeep_problem
        assert f"are kept from {waiting:%Y-%m-%d %H:%M}:00 UTC on: they were never rolled up. Load the hours" in problem
    assert sources.in_telemetry("SELECT kept_since FROM telemetry.raw_retention") == [(waiting - timedelta(hours=5),)]
    assert days(sources)[0] == TODAY - 10 * DAY, "what is older, and was rolled up, has gone"
    roll_up(sources.telemetry, [waiting])
    assert sources.in_telemetry(MOVEMENTS, (waiting,)) == [("C1", 1)]
    for _ in ("the limit moves", "what lies before it goes"):
        assert roll_up(sources.telemetry, [TODAY]).upkeep_problem == ""
    assert days(sources)[0] == kept


def test_upkeep_waits_for_nobody_and_hours_are_done_all_the_same(sources):
    sources.in_telemetry("SELECT telemetry.make_raw_partitions(%s, %s)", (TODAY - 9 * DAY, TODAY))
    sources.in_telemetry("UPDATE telemetry.raw_retention SET keep_days = 8, kept_since = %s", (TODAY - 8 * DAY,))
    sources.in_telemetry(SEND, ("C1", TODAY))
    with psycopg2.connect(sources.telemetry.url) as reader, reader.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM telemetry.raw_telemetry")
        done: list = []
        thread = threading.Thread(target=lambda: done.append(roll_up(sources.telemetry, [TODAY])))
        thread.start()
        thread.join(60)
        assert [r.written for r in done] == [{TODAY: 1}]
    assert sources.in_telemetry(KEEP) == [(0, 1, 0)]


def test_a_table_of_an_earlier_version_works_as_it_did_and_can_be_migrated(sources):
    yesterday = TODAY - DAY
    url = sources.telemetry.url
    sources.in_telemetry(
        "DROP TABLE telemetry.raw_telemetry CASCADE; CREATE TABLE telemetry.raw_telemetry (telemetry_id bigserial PRIMARY "
        "KEY, chip_id varchar(64) NOT NULL, timestamp timestamptz NOT NULL, myo_channel_1 float, myo_channel_2 float, "
        "myo_channel_3 float, myo_channel_4 float, movement_type varchar(50), movement_intensity float, response_time_ms int, "
        "movement_success boolean DEFAULT true, accelerometer_x float, accelerometer_y float, accelerometer_z float, "
        "gyroscope_x float, gyroscope_y float, gyroscope_z float, actuator_temp float, grip_pressure float, battery_level "
        "smallint, battery_voltage float, connection_quality smallint, error_code varchar(20), warning_flags int DEFAULT 0, "
        "firmware_version varchar(20), session_id uuid, created_at timestamptz DEFAULT now()); "
        "GRANT SELECT ON telemetry.raw_telemetry TO PUBLIC"
    )
    sources.in_telemetry(SEND, ("C1", yesterday))
    apply_postgres_schema(sources.telemetry, "telemetry")
    rolled_up = roll_up(sources.telemetry, [yesterday])
    assert (rolled_up.written, rolled_up.outside, rolled_up.upkeep_problem) == ({yesterday: 1}, 0, "")
    # From a clock that runs ahead: after the migration it lies outside.
    sources.in_telemetry(SEND, ("C2", TODAY + 400 * DAY))
    before = sources.in_telemetry("SELECT * FROM telemetry.raw_telemetry ORDER BY telemetry_id")
    for script in ("1_prepare", "2_switch"):
        execute(url, sql(f"telemetry/migrate/{script}.sql"), autocommit=True)
        assert sources.in_telemetry("SELECT * FROM telemetry.raw_telemetry ORDER BY telemetry_id") == before
    sources.in_telemetry("SELECT telemetry.make_raw_partitions(%s, %s)", (TODAY, TODAY + 3 * DAY))
    sources.in_telemetry(SEND, ("C1", TODAY + 3 * DAY))
    sources.in_telemetry(SEND, ("C1", yesterday))
    assert roll_up(sources.telemetry, [yesterday]).written == {yesterday: 1}, "one more movement"
    assert where(sources, "C2") == ["telemetry.raw_telemetry_default"]
    assert (
        sorted(where(sources, "C1"))
        == [f"telemetry.raw_telemetry_{TODAY + 3 * DAY:%Y_%m_%d}"] + ["telemetry.raw_telemetry_before"] * 2
    )
    numbers = sources.in_telemetry("SELECT telemetry_id FROM telemetry.raw_telemetry ORDER BY 1")
    assert [n for (n,) in numbers] == [1, 2, 3, 4], "the numbers go on"
    assert sources.in_telemetry("SELECT has_table_privilege('public', 'telemetry.raw_telemetry', 'SELECT')") == [
        (True,)
    ]
