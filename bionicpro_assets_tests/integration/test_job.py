"""The main job against SQL on the sources."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from bionicpro_assets.hours import HOUR, floor_hour, hour_range
from bionicpro_assets.quality.stored import published_verdict

OPEN = floor_hour(datetime.now(UTC))
FIRST, SECOND = OPEN - timedelta(hours=2), OPEN - timedelta(hours=1)
pytestmark = pytest.mark.filterwarnings("ignore")

TODAY = """
    SELECT user_id, report_date, count() AS hours, sum(movements_count) AS total_movements
    FROM reports.user_prosthesis_stats WHERE report_date = toDate(fromUnixTimestamp({now:UInt32}), 'UTC')
    GROUP BY user_id, report_date ORDER BY total_movements DESC
"""


@pytest.fixture(autouse=True)
def external_rollup(clean_environment, monkeypatch):
    """These tests write hourly_stats themselves."""
    monkeypatch.setenv("BIONICPRO_ROLLUP", "external")


@pytest.fixture
def fleet(sources):
    sources.add_wearer("C1", "anna")
    sources.add_wearer("C2", "anna", category="leg")
    sources.add_wearer("C3", "boris", middle_name=None, branch=None, status="maintenance")
    sources.add_wearer(None, "vera", status="sold")
    for i, hour in enumerate(hour_range(FIRST, OPEN)):
        for j, chip in enumerate(["C1", "C2", "C3", "UNKNOWN"]):
            sources.add_hour(chip, hour, movements_count=100 + 10 * i + j, successful_movements=90 + i)
    return sources


def test_every_column_equals_sql_on_the_sources(platform, fleet):
    platform.load(FIRST, OPEN)
    expected = fleet.expected_mart(FIRST, OPEN)
    assert len(expected) == 9
    assert platform.mart() == expected


def test_loading_the_same_window_three_times_changes_nothing(platform, fleet):
    platform.load(FIRST, OPEN)
    once = platform.mart()
    for _ in range(2):
        platform.load(FIRST, OPEN)
    assert platform.mart() == once
    _, ((rows,),) = platform.clickhouse.rows("SELECT count() FROM storage.user_prosthesis_stats")
    assert rows == 9, "hours that come out the same are confirmed and not written again"
    _, journal = platform.clickhouse.rows(
        "SELECT count(), uniqExact(publication), uniqExact(source_read_at), uniqExact(run_id) FROM storage.publications "
        "WHERE table_name = 'reports.user_prosthesis_stats'"
    )
    assert journal == [(9, 1, 3, 3)], "three hours, each published once and confirmed twice by a newer read"


def test_the_monitoring_query_counts_every_hour_once(platform, fleet):
    for _ in range(2):
        platform.load(FIRST, OPEN)
    now = int(OPEN.timestamp())
    _, rows = platform.clickhouse.rows(TODAY, {"now": now})
    hours_today = [h for h in hour_range(FIRST, OPEN) if h.date() == OPEN.date()]
    offsets = [int((h - FIRST).total_seconds() // 3600) for h in hours_today]
    anna = sum(100 + 10 * i + j for i in offsets for j in (0, 1))
    boris = sum(100 + 10 * i + 2 for i in offsets)
    assert rows == [("anna", OPEN.date(), 2 * len(offsets), anna), ("boris", OPEN.date(), len(offsets), boris)]


def test_a_row_that_left_the_source_leaves_the_mart(platform, fleet):
    platform.load(FIRST, OPEN)
    fleet.in_telemetry("DELETE FROM telemetry.hourly_stats WHERE chip_id = 'C1' AND hour_start = %s", (SECOND,))
    platform.load(FIRST, OPEN)
    assert len(platform.mart()) == 8
    assert platform.mart() == fleet.expected_mart(FIRST, OPEN)


def test_an_emptied_hour_is_empty_in_the_mart_and_its_neighbours_stay(platform, fleet):
    platform.load(FIRST, OPEN)
    fleet.in_telemetry("DELETE FROM telemetry.hourly_stats WHERE hour_start = %s", (SECOND,))
    platform.load(SECOND, SECOND)
    assert len(platform.mart()) == 6
    assert platform.mart() == fleet.expected_mart(FIRST, OPEN)


def test_loading_one_hour_leaves_the_others_as_they_were(platform, fleet):
    platform.load(FIRST, OPEN)
    before = platform.mart()
    for hour in hour_range(FIRST, OPEN):
        fleet.add_hour("C1", hour, movements_count=7, successful_movements=7)
    platform.load(SECOND, SECOND)
    after = platform.mart()
    changed = {(row[2], row[4]) for row in set(after) ^ set(before)}
    assert changed == {("C1", SECOND.hour)}


def test_a_null_in_the_source_is_0_in_the_mart_and_stays_null_in_the_extract(platform, sources):
    nullable = [
        "movements_count", "successful_movements", "avg_response_time", "min_response_time", "max_response_time",
        "avg_battery_level", "min_battery_level", "max_battery_level", "avg_actuator_temp", "max_actuator_temp",
        "error_count", "warning_count", "avg_myo_amplitude", "avg_connection_quality",
    ]  # fmt: skip
    for column in nullable:
        sources.in_telemetry(f"ALTER TABLE telemetry.hourly_stats ALTER {column} DROP NOT NULL")
        sources.add_wearer(column, f"u_{column}")
        sources.add_hour(column, FIRST, **{column: None})
    platform.load(FIRST, FIRST)
    assert platform.mart() == sources.expected_mart(FIRST, FIRST)
    for column in nullable:
        chip = f"WHERE chip_id = '{column}'"
        _, rows = platform.clickhouse.rows(f"SELECT {column} FROM reports.user_prosthesis_stats {chip}")
        assert rows == [(0,)], column
        _, rows = platform.clickhouse.rows(f"SELECT {column} FROM staging.hourly_telemetry {chip}")
        assert rows == [(None,)], column


def test_an_hour_without_movements_has_a_success_rate_of_0(platform, sources):
    sources.add_wearer("C1", "anna")
    sources.add_hour("C1", FIRST, movements_count=0, successful_movements=0, avg_response_time=None)
    platform.load(FIRST, FIRST)
    _, rows = platform.clickhouse.rows("SELECT success_rate, movements_count FROM reports.user_prosthesis_stats")
    assert rows == [(0.0, 0)]


def test_names_with_and_without_a_middle_name(platform, fleet):
    platform.load(FIRST, FIRST)
    _, rows = platform.clickhouse.rows(
        "SELECT DISTINCT user_id, customer_name FROM reports.user_prosthesis_stats ORDER BY user_id"
    )
    assert rows == [("anna", "Иванова Анна Петровна"), ("boris", "Иванова Анна")]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Moscow", "America/New_York", "Asia/Kolkata"])
def test_hours_across_midnight_and_the_end_of_a_month(platform, sources, monkeypatch, any_time_zone, zone):
    monkeypatch.setenv("BIONICPRO_REPORT_TIMEZONE", zone)
    first = datetime(2026, 10, 31, 18, tzinfo=UTC)
    last = first + timedelta(hours=12)
    sources.add_wearer("C1", "anna")
    for i, hour in enumerate(hour_range(first, last)):
        sources.add_hour("C1", hour, movements_count=i)
    platform.load(first, last)
    assert platform.mart() == sources.expected_mart(first, last, zone)
    _, ((months,),) = platform.clickhouse.rows(
        "SELECT uniqExact(toYYYYMM(report_date)) FROM reports.user_prosthesis_stats"
    )
    assert months == 2


def test_the_hour_that_autumn_repeats_is_two_rows(platform, sources, monkeypatch):
    monkeypatch.setenv("BIONICPRO_REPORT_TIMEZONE", "Europe/Berlin")
    first = datetime(2026, 10, 25, 0, tzinfo=UTC)
    sources.add_wearer("C1", "anna")
    for i in range(2):
        sources.add_hour("C1", first + timedelta(hours=i), movements_count=10 + i)
    for _ in range(2):
        platform.load(first, first + timedelta(hours=1))
    _, rows = platform.clickhouse.rows(
        "SELECT report_hour, movements_count FROM reports.user_prosthesis_stats ORDER BY movements_count"
    )
    assert rows == [(2, 10), (2, 11)]
    # Each of the two alone: readers tell them apart by nothing, the platform must.
    for i in range(2):
        hour = first + timedelta(hours=i)
        sources.add_hour("C1", hour, movements_count=20 + i)
        platform.load(hour, hour)
        assert published_verdict(platform.clickhouse, [hour]).passed
    platform.clickhouse.command(
        "ALTER TABLE storage.user_prosthesis_stats DELETE WHERE movements_count = 21 SETTINGS mutations_sync = 1"
    )
    assert not published_verdict(platform.clickhouse, [hour]).passed


def test_rollup_and_report_from_raw_rows(platform, sources, monkeypatch):
    """From raw telemetry to the mart, with numbers worked out by hand."""
    monkeypatch.setenv("BIONICPRO_ROLLUP", "platform")
    sources.add_wearer("C1", "anna")
    sources.in_telemetry(
        "INSERT INTO telemetry.raw_telemetry (chip_id, timestamp, movement_type, movement_success, response_time_ms, "
        "battery_level, actuator_temp, connection_quality, error_code, warning_flags, myo_channel_1, myo_channel_2) VALUES "
        "('C1', %(h)s + interval '1 s', 'grip', true, 100, 80, 30, 90, NULL, 0, 3, 4), "
        "('C1', %(h)s + interval '2 s', 'flex', false, 201, 79, 32, 100, 'E1', 3, 6, 8), "
        "('C1', %(h)s + interval '3 s', NULL, true, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL), "
        "('C1', %(h)s + interval '59 min 59.999999 s', 'grip', true, 110, 78, 31, 95, NULL, 1, 0, 0), "
        "('C1', %(h)s + interval '1 hour', 'grip', true, 999, 1, 99, 1, 'E9', 1, 100, 100)",
        {"h": FIRST},
    )
    platform.load(FIRST, FIRST)
    _, rows = platform.clickhouse.rows(
        "SELECT movements_count, successful_movements, round(toFloat64(success_rate), 2), avg_response_time, min_response_time, "
        "max_response_time, avg_battery_level, min_battery_level, max_battery_level, avg_actuator_temp, "
        "max_actuator_temp, error_count, warning_count, avg_connection_quality, avg_myo_amplitude "
        "FROM reports.user_prosthesis_stats"
    )
    # 2 of 3 movements; (100 + 201 + 110) / 3; sqrt(3² + 4²) = 5, sqrt(6² + 8²) = 10, 0, 0: 15 / 4
    assert rows == [(3, 2, 66.67, 137.0, 100, 201, 79.0, 78, 80, 31.0, 32.0, 1, 2, 95.0, 3.75)]


def test_a_run_of_old_hours_begins_no_problem_of_freshness_and_hides_none(platform, sources):
    sources.add_wearer("C1", "anna")
    last = floor_hour(datetime.now(UTC))
    old = last - timedelta(hours=30)
    sources.add_hour("C1", old)

    def said(first: datetime, until: datetime) -> dict[str, tuple[bool, int]]:
        platform.load(first, until)
        (run,) = platform.instance.get_runs(limit=1)
        records = platform.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        found = [record.dagster_event.asset_check_evaluation_data for record in records]
        return {
            e.check_name: (e.passed, e.metadata["checked"].value) for e in found if e.check_name.endswith("_is_fresh")
        }

    not_asked = {"source_is_fresh": (True, 0), "mart_is_fresh": (True, 0)}
    assert said(old, old + HOUR) == not_asked
    # The refresh reads hours without a row: the mart is as new as can be, and the source is late.
    late = said(last - HOUR, last)
    assert [passed for passed, _ in (late["source_is_fresh"], late["mart_is_fresh"])] == [False, True]
    assert said(old, old + HOUR)["source_is_fresh"][0] is False
