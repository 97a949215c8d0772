"""The join, against rows worked out by hand and against a plain loop over random rows."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bionicpro_assets.errors import DataError
from bionicpro_assets.frames import HOUR_DTYPE
from bionicpro_assets.transform.join import join_telemetry_with_customers

HOUR = datetime(2026, 11, 24, 22, tzinfo=UTC)
NOW = datetime(2026, 11, 25, 1, 2, 3, tzinfo=UTC)

CRM_SCHEMA = {
    "hour_start": HOUR_DTYPE,
    "user_id": pl.String,
    "customer_full_name": pl.String,
    "email": pl.String,
    "region": pl.String,
    "branch": pl.String,
    "prosthesis_id": pl.Int64,
    "prosthesis_serial": pl.String,
    "chip_id": pl.String,
    "prosthesis_model": pl.String,
    "prosthesis_category": pl.String,
    "ownership": pl.String,
}
TELEMETRY_SCHEMA = {
    "hour_start": HOUR_DTYPE,
    "chip_id": pl.String,
    "movements_count": pl.Int64,
    "successful_movements": pl.Int64,
    "success_rate": pl.Float64,
    "avg_response_time": pl.Float64,
    "min_response_time": pl.Int64,
    "max_response_time": pl.Int64,
    "avg_battery_level": pl.Float64,
    "min_battery_level": pl.Int64,
    "max_battery_level": pl.Int64,
    "avg_actuator_temp": pl.Float64,
    "max_actuator_temp": pl.Float64,
    "error_count": pl.Int64,
    "warning_count": pl.Int64,
    "avg_myo_amplitude": pl.Float64,
    "avg_connection_quality": pl.Float64,
    "updated_at": pl.Datetime("us", "UTC"),
    "source_fault": pl.String,
}


def wearer(chip: str | None, user: str = "anna", prosthesis: int = 7, hour: datetime = HOUR, **other):
    row = {
        "hour_start": hour,
        "user_id": user,
        "customer_full_name": "Иванова Анна Петровна",
        "email": "anna@example.org",
        "region": "russia",
        "branch": "Казань",
        "prosthesis_id": prosthesis,
        "prosthesis_serial": f"BP-{prosthesis}",
        "chip_id": chip,
        "prosthesis_model": "Hand 300",
        "prosthesis_category": "hand",
        "ownership": "named",
    }
    return row | other


def hour_of(chip: str, hour: datetime = HOUR, **other):
    row = {
        "hour_start": hour,
        "chip_id": chip,
        "movements_count": 10,
        "successful_movements": 9,
        "success_rate": 90.0,
        "avg_response_time": 120.5,
        "min_response_time": 80,
        "max_response_time": 200,
        "avg_battery_level": 75.25,
        "min_battery_level": 70,
        "max_battery_level": 80,
        "avg_actuator_temp": 33.5,
        "max_actuator_temp": 36.0,
        "error_count": 1,
        "warning_count": 2,
        "avg_myo_amplitude": 55.0,
        "avg_connection_quality": 97.0,
        "updated_at": NOW,
        "source_fault": "",
    }
    return row | other


def join(crm, telemetry, zone="UTC"):
    return join_telemetry_with_customers(
        pl.DataFrame(crm, schema=CRM_SCHEMA),
        pl.DataFrame(telemetry, schema=TELEMETRY_SCHEMA),
        report_timezone=zone,
        processed_at=NOW,
    )


def test_a_row_of_the_mart_column_by_column():
    (row,) = join([wearer("C1")], [hour_of("C1")]).rows.to_dicts()
    assert row == {
        "user_id": "anna",
        "prosthesis_id": 7,
        "chip_id": "C1",
        "hour_start": HOUR,
        "report_date": date(2026, 11, 24),
        "report_hour": 22,
        "customer_name": "Иванова Анна Петровна",
        "prosthesis_model": "Hand 300",
        "movements_count": 10,
        "successful_movements": 9,
        "avg_response_time": 120.5,
        "avg_battery_level": 75.25,
        "error_count": 1,
        "etl_processed_at": NOW,
        "customer_email": "anna@example.org",
        "customer_region": "russia",
        "customer_branch": "Казань",
        "prosthesis_category": "hand",
        "prosthesis_serial": "BP-7",
        "success_rate": 90.0,
        "min_response_time": 80,
        "max_response_time": 200,
        "min_battery_level": 70,
        "max_battery_level": 80,
        "avg_actuator_temp": 33.5,
        "max_actuator_temp": 36.0,
        "warning_count": 2,
        "avg_connection_quality": 97.0,
        "avg_myo_amplitude": 55.0,
        "source_updated_at": NOW,
    }


@pytest.mark.parametrize(
    "column",
    [c for c, t in TELEMETRY_SCHEMA.items() if c not in ("hour_start", "chip_id", "updated_at", "source_fault")],
)
def test_a_null_number_is_0(column):
    (row,) = join([wearer("C1")], [hour_of("C1", **{column: None})]).rows.to_dicts()
    assert row[column] == 0


@pytest.mark.parametrize(
    ("source", "column"),
    [
        ("branch", "customer_branch"),
        ("prosthesis_model", "prosthesis_model"),
        ("prosthesis_category", "prosthesis_category"),
    ],
)
def test_a_null_text_is_empty(source, column):
    (row,) = join([wearer("C1", **{source: None})], [hour_of("C1")]).rows.to_dicts()
    assert row[column] == ""


def test_a_source_that_doesnt_say_when_it_changed_says_1970():
    (row,) = join([wearer("C1")], [hour_of("C1", updated_at=None)]).rows.to_dicts()
    assert row["source_updated_at"] == datetime(1970, 1, 1, tzinfo=UTC)


def test_a_prosthesis_without_a_chip_matches_nothing():
    joined = join([wearer(None), wearer(None, prosthesis=8)], [hour_of("C1")])
    assert joined.rows.is_empty()
    assert joined.rejected["chip_id"].to_list() == ["C1"]


def test_telemetry_that_finds_no_wearer_is_handed_back():
    joined = join([wearer("C1")], [hour_of("C1"), hour_of("C2"), hour_of("C3")])
    assert joined.rows["chip_id"].to_list() == ["C1"]
    assert sorted(joined.rejected["chip_id"]) == ["C2", "C3"]


def test_the_wearer_is_the_one_of_the_hour():
    later = HOUR + timedelta(hours=1)
    crm = [wearer("C1", user="anna"), wearer("C1", user="boris", hour=later)]
    rows = join(crm, [hour_of("C1"), hour_of("C1", hour=later)]).rows.sort("hour_start")
    assert rows["user_id"].to_list() == ["anna", "boris"]


def test_a_chip_that_stands_twice_is_refused_on_either_side():
    with pytest.raises(DataError, match="more than one wearer of the same chip.*C1"):
        join([wearer("C1"), wearer("C1", user="boris", prosthesis=8)], [hour_of("C1")])
    with pytest.raises(DataError, match="more than one row for the same chip and hour.*C1"):
        join([wearer("C1")], [hour_of("C1"), hour_of("C1")])


@pytest.mark.parametrize(
    ("zone", "day", "hour"),
    [
        ("UTC", date(2026, 11, 24), 22),
        ("Europe/Moscow", date(2026, 11, 25), 1),
        ("America/New_York", date(2026, 11, 24), 17),
        ("Asia/Kolkata", date(2026, 11, 25), 3),
    ],
)
def test_date_and_hour_are_in_the_report_time_zone(zone, day, hour):
    (row,) = join([wearer("C1")], [hour_of("C1")], zone).rows.to_dicts()
    assert (row["report_date"], row["report_hour"]) == (day, hour)


def test_the_hour_that_autumn_repeats_stays_two_rows():
    first = datetime(2026, 10, 25, 0, tzinfo=UTC)
    hours = [first, first + timedelta(hours=1)]
    rows = join([wearer("C1", hour=h) for h in hours], [hour_of("C1", hour=h) for h in hours], "Europe/Berlin").rows
    assert rows["report_hour"].to_list() == [2, 2]
    assert sorted(rows["hour_start"]) == hours


chips = st.sampled_from(["C1", "C2", "C3", "C4"])
hours = st.sampled_from([HOUR, HOUR + timedelta(hours=1), HOUR + timedelta(hours=2)])


@given(
    crm=st.dictionaries(st.tuples(hours, chips), st.integers(1, 50)),
    telemetry=st.dictionaries(st.tuples(hours, chips), st.none() | st.integers(0, 3600)),
    zone=st.sampled_from(["UTC", "Europe/Moscow", "Pacific/Chatham"]),
)
def test_random_rows_join_as_a_plain_loop_does(crm, telemetry, zone):
    joined = join(
        [wearer(chip, f"user{n}", n, hour) for (hour, chip), n in crm.items()],
        [
            hour_of(chip, hour, movements_count=n, successful_movements=0, success_rate=0.0)
            for (hour, chip), n in telemetry.items()
        ],
        zone,
    )
    expected, lost = [], []
    for (hour, chip), movements in telemetry.items():
        if (hour, chip) not in crm:
            lost.append((hour, chip))
            continue
        local, n = hour.astimezone(ZoneInfo(zone)), crm[hour, chip]
        expected.append((hour, chip, f"user{n}", n, local.date(), local.hour, movements or 0))
    columns = ["hour_start", "chip_id", "user_id", "prosthesis_id", "report_date", "report_hour", "movements_count"]
    assert sorted(joined.rows.select(columns).iter_rows()) == sorted(expected)
    assert sorted(joined.rejected.select("hour_start", "chip_id").iter_rows()) == sorted(lost)


def test_what_is_only_remembered_of_an_hour_gives_it_to_nobody():
    decided, known = wearer("C1", user="boris", ownership="stated"), wearer("C1", ownership="overruled")
    joined = join([known, decided], [hour_of("C1")])
    assert joined.rows["user_id"].to_list() == ["boris"]
    contested = [wearer("C2", prosthesis=n, ownership="contested") for n in (1, 2)]
    (row,) = join([wearer("C2", ownership="overruled"), *contested], [hour_of("C2")]).rejected.to_dicts()
    assert row["reason"] == "the CRM names several prostheses for the chip"
