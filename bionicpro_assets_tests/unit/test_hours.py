from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bionicpro_assets.errors import DataError
from bionicpro_assets.hours import (
    HOUR,
    contiguous,
    describe,
    floor_hour,
    hour_range,
    in_parts,
    parse_hour,
    partition_key,
    refresh_window,
)
from bionicpro_assets.period import period
from bionicpro_assets.settings import Settings

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)
CLOSED = datetime(2026, 11, 24, 7, tzinfo=UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-24-08:00",
        "2026-11-24T08",
        "2026-11-24T08:00",
        "2026-11-24 08:00:00",
        "2026-11-24T08:00Z",
        "2026-11-24T11:00+03:00",
    ],
)
def test_hours_are_read_as_people_and_dagster_write_them(text):
    assert parse_hour(text) == utc("2026-11-24T08:00")


@pytest.mark.parametrize("text", ["", "yesterday", "2026-11-24T08:30", "2026-11-24T08:00:01", "2026-11-24T13:00+05:30"])
def test_what_is_no_whole_utc_hour_is_refused(text):
    with pytest.raises(ValueError, match="not"):
        parse_hour(text)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), st.integers(-14 * 4, 14 * 4))
def test_the_hour_of_an_instant_contains_it_whatever_its_zone(naive, quarters):
    instant = naive.replace(tzinfo=timezone(timedelta(minutes=15 * quarters)))
    hour = floor_hour(instant)
    assert hour <= instant < hour + timedelta(hours=1)
    assert hour.timestamp() % 3600 == 0
    assert parse_hour(partition_key(hour)) == hour


@pytest.mark.parametrize(
    ("now", "first", "last"),
    [
        ("2026-11-24T10:00:00", "2026-11-24T08:00", "2026-11-24T10:00"),
        ("2026-11-24T10:15:00", "2026-11-24T08:00", "2026-11-24T10:00"),
        ("2026-11-24T10:59:59", "2026-11-24T08:00", "2026-11-24T10:00"),
        ("2026-12-01T00:15:00", "2026-11-30T22:00", "2026-12-01T00:00"),
        ("2026-01-01T01:45:00", "2026-01-01T00:00", "2026-01-01T01:00"),
    ],
)
def test_a_refresh_loads_the_lookback_and_the_open_hour(now, first, last):
    hours = refresh_window(utc(now), lookback_hours=2, start=START)
    assert (hours[0], hours[-1]) == (utc(first), utc(last))
    assert contiguous(hours) == (utc(first), utc(last) + timedelta(hours=1))


def test_before_the_first_partition_there_is_nothing_to_refresh():
    assert refresh_window(utc("2025-12-31T23:50"), lookback_hours=2, start=START) == []


def test_a_gap_between_hours_is_an_error():
    with pytest.raises(DataError, match="not contiguous"):
        contiguous([START, START + timedelta(hours=2)])
    with pytest.raises(DataError, match="No hours"):
        contiguous([])


def test_hours_in_words():
    assert describe([START]) == "2026-01-01 00:00 UTC"
    assert describe(hour_range(START, START + timedelta(hours=2))) == "2026-01-01 00:00 … 02:00 UTC (3 hours)"
    assert describe(hour_range(START, START + timedelta(hours=24))).startswith(
        "2026-01-01 00:00 … 2026-01-02 00:00 UTC"
    )


def test_hours_are_put_together_as_far_as_their_rows_fit():
    hours = hour_range(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 6, tzinfo=UTC))
    rows = dict(zip(hours, [3, 3, 0, 9, 1, 4], strict=False))
    parts = in_parts(hours, rows, 6)
    assert [[hour.hour for hour in part] for part in parts] == [[0, 1, 2], [3], [4, 5, 6]]
    assert in_parts(hours, {}, 1) == [hours], "hours without rows cost nothing"
    assert in_parts(hours, rows, 100) == [hours]


def asked(first: str | None, last: str | None, *, lookback: int = 2, newest: datetime | None = None) -> str:
    """The hours of a period that a person asks for at NOW, in words."""
    url = "postgresql://nobody@nowhere/none"
    settings = Settings(
        BIONICPRO_CRM_DB_URL=url, BIONICPRO_TELEMETRY_DB_URL=url, BIONICPRO_CLICKHOUSE_URL="chdb:///nowhere",
        ETL_LOOKBACK_HOURS=lookback, BIONICPRO_PARTITIONS_START=START,
    )  # fmt: skip
    return describe(period(settings, first, last, NOW, newest=newest))


def test_a_period_of_which_nothing_is_said_is_the_lookback():
    assert asked(None, None) == "2026-11-24 06:00 … 08:00 UTC (3 hours)"
    assert asked(None, None, newest=CLOSED) == "2026-11-24 06:00 … 07:00 UTC (2 hours)"
    assert asked(None, None, lookback=0) == "2026-11-24 08:00 UTC"
    # Of no hours back no hour is closed: the newest that is.
    assert asked(None, None, lookback=0, newest=CLOSED) == "2026-11-24 07:00 UTC"


def test_a_period_that_ends_before_the_lookback_has_as_many_hours():
    """Whoever names the last hour alone hasn't written a first one that could be wrong."""
    assert asked(None, "2026-11-20T00:00") == "2026-11-19 22:00 … 2026-11-20 00:00 UTC (3 hours)"
    assert asked(None, "2026-11-20T00:00", lookback=0, newest=CLOSED) == "2026-11-20 00:00 UTC"
    assert asked(None, "2026-11-24T07:00") == "2026-11-24 06:00 … 07:00 UTC (2 hours)"
    assert asked(None, "2026-01-01T01:00", lookback=9) == "2026-01-01 00:00 … 01:00 UTC (2 hours)"


@pytest.mark.parametrize(
    ("first", "last", "newest", "said"),
    [
        ("2026-11-24T10:00", None, None, "The hour 2026-11-24T10:00 UTC hasn't begun; the open hour is 2026-11-24T08"),
        ("2026-11-24T08:00", None, CLOSED, "The hour 2026-11-24T08:00 UTC isn't over; the last that is, is 2026-11-24T07"),
        (None, "2026-11-24T09:00", CLOSED, "The hour 2026-11-24T09:00 UTC hasn't begun"),
        (None, "2025-12-31T23:00", None, r"BIONICPRO_PARTITIONS_START\); 2025-12-31T23:00 is before that"),
        ("2026-11-24T08:00", "2026-11-24T07:00", None, "The first hour, 2026-11-24T08:00, is after the last one, 2026-11-24T07"),
        (None, None, START - HOUR, r"BIONICPRO_PARTITIONS_START\); the newest hour, 2025-12-31T23:00, is before that"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_period_is_said_of_what_was_written(first, last, newest, said):
    with pytest.raises(DataError, match=said):
        asked(first, last, newest=newest)
