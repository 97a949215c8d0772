"""The roll-up function in PostgreSQL, against arithmetic in Python on the same raw rows."""

import math
import random
import re
import threading
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from bionicpro_assets.errors import SourceError
from bionicpro_assets.extract.telemetry import roll_up
from bionicpro_assets_tests.integration.sources import execute

HOUR = datetime(2026, 11, 24, 8, tzinfo=UTC)
COLUMNS = [
    "chip_id", "timestamp", "movement_type", "movement_success", "response_time_ms", "battery_level", "actuator_temp",
    "connection_quality", "error_code", "warning_flags", "myo_channel_1", "myo_channel_2", "myo_channel_3", "myo_channel_4",
]  # fmt: skip
STATS = (
    "SELECT chip_id, movements_count, successful_movements, avg_response_time, min_response_time, max_response_time, "
    "avg_battery_level, min_battery_level, max_battery_level, avg_actuator_temp, max_actuator_temp, error_count, "
    "warning_count, avg_myo_amplitude, avg_connection_quality FROM telemetry.hourly_stats WHERE hour_start = %s"
)
ROLL_UP = "SELECT telemetry.aggregate_hourly_stats(%s)"


def random_rows(seed: int, count: int = 400) -> list[tuple]:
    dice = random.Random(seed)

    def maybe(value):
        return None if dice.random() < 0.2 else value

    return [
        (
            f"C{dice.randrange(5)}", HOUR + timedelta(microseconds=dice.randrange(3_600_000_000)),
            maybe(dice.choice(["grip", "release", "flex"])), maybe(dice.random() < 0.8), maybe(dice.randrange(50, 400)),
            maybe(dice.randrange(101)), maybe(dice.uniform(20, 60)), maybe(dice.randrange(101)),
            dice.choice([None, None, "E7"]), maybe(dice.randrange(4)), *(maybe(dice.uniform(-500, 500)) for _ in range(4)),
        )
        for _ in range(count)
    ]  # fmt: skip


def insert(sources, rows):
    marks = ", ".join(["%s"] * len(COLUMNS))
    statement = f"INSERT INTO telemetry.raw_telemetry ({', '.join(COLUMNS)}) VALUES " + ", ".join(
        [f"({marks})"] * len(rows)
    )
    sources.in_telemetry(statement, [value for row in rows for value in row])


def mean(values):
    return sum(values) / len(values) if values else None


def expected(rows):
    chips = defaultdict(list)
    for row in rows:
        chips[row[0]].append(dict(zip(COLUMNS, row, strict=True)))
    result = {}
    for chip, seconds in chips.items():
        moved = [r for r in seconds if r["movement_type"] is not None]
        response, battery, temperature, quality = (
            [r[c] for r in seconds if r[c] is not None]
            for c in ("response_time_ms", "battery_level", "actuator_temp", "connection_quality")
        )
        amplitude = [math.sqrt(sum((r[f"myo_channel_{i}"] or 0) ** 2 for i in (1, 2, 3, 4))) for r in seconds]
        result[chip] = (
            len(moved), sum(r["movement_success"] is True for r in moved),
            mean(response), min(response, default=None), max(response, default=None),
            mean(battery), min(battery, default=None), max(battery, default=None),
            mean(temperature), max(temperature, default=None), sum(r["error_code"] is not None for r in seconds),
            sum((r["warning_flags"] or 0) > 0 for r in seconds), mean(amplitude), mean(quality),
        )  # fmt: skip
    return result


@pytest.mark.parametrize("zone", ["UTC", "Europe/Moscow", "Asia/Kolkata"])
@pytest.mark.parametrize("seed", [1, 2])
def test_what_it_counts(sources, seed, zone):
    name = urlsplit(sources.telemetry.url).path[1:]
    execute(sources.admin, f"ALTER DATABASE {name} SET timezone = '{zone}'", autocommit=True)
    rows = random_rows(seed)
    insert(sources, rows)
    ((written,),) = sources.in_telemetry(ROLL_UP, (HOUR + timedelta(minutes=31),))
    found = {chip: numbers for chip, *numbers in sources.in_telemetry(STATS, (HOUR,))}
    assert written == len(found) == 5
    for chip, numbers in expected(rows).items():
        assert found[chip] == pytest.approx(numbers, abs=1e-5), chip


def test_again_changes_nothing_and_touches_no_updated_at(sources):
    insert(sources, random_rows(3))
    everything = "SELECT * FROM telemetry.hourly_stats ORDER BY id"
    assert sources.in_telemetry(ROLL_UP, (HOUR,)) == [(5,)]
    before = sources.in_telemetry(everything)
    # Another physical order of the same rows: sums of floats would come out with other last bits.
    sources.in_telemetry(
        "CREATE TEMP TABLE kept AS SELECT * FROM telemetry.raw_telemetry; DELETE FROM telemetry.raw_telemetry; "
        "INSERT INTO telemetry.raw_telemetry SELECT * FROM kept ORDER BY md5(telemetry_id::text)"
    )
    assert sources.in_telemetry(ROLL_UP, (HOUR,)) == [(0,)]
    assert sources.in_telemetry(everything) == before


def test_only_what_changed_is_written(sources):
    insert(sources, random_rows(4))
    sources.in_telemetry(ROLL_UP, (HOUR,))
    before = dict(sources.in_telemetry("SELECT chip_id, updated_at FROM telemetry.hourly_stats"))
    sources.in_telemetry(
        "INSERT INTO telemetry.raw_telemetry (chip_id, timestamp, movement_type) VALUES ('C2', %s, 'grip')", (HOUR,)
    )
    assert sources.in_telemetry(ROLL_UP, (HOUR,)) == [(1,)]
    after = dict(sources.in_telemetry("SELECT chip_id, updated_at FROM telemetry.hourly_stats"))
    assert {chip for chip in before if before[chip] != after[chip]} == {"C2"}
    assert after["C2"] > before["C2"]


def test_hours_whose_raw_rows_are_gone_go_too(sources):
    insert(sources, random_rows(5))
    sources.in_telemetry(ROLL_UP, (HOUR,))
    sources.in_telemetry("DELETE FROM telemetry.raw_telemetry WHERE chip_id = 'C1'")
    sources.in_telemetry(ROLL_UP, (HOUR,))
    assert {row[0] for row in sources.in_telemetry(STATS, (HOUR,))} == {"C0", "C2", "C3", "C4"}
    sources.in_telemetry("DELETE FROM telemetry.raw_telemetry")
    sources.in_telemetry(ROLL_UP, (HOUR,))
    assert sources.in_telemetry(STATS, (HOUR,)) == []


def test_statistics_outlive_raw_rows_that_were_purged_by_age(sources):
    insert(sources, random_rows(6))
    sources.in_telemetry(ROLL_UP, (HOUR,))
    before = sources.in_telemetry("SELECT * FROM telemetry.hourly_stats ORDER BY id")
    sources.in_telemetry(
        "DELETE FROM telemetry.raw_telemetry; UPDATE telemetry.raw_retention SET kept_since = %s",
        (HOUR + timedelta(hours=1),),
    )
    assert sources.in_telemetry(ROLL_UP, (HOUR,)) == [(0,)]
    assert sources.in_telemetry("SELECT * FROM telemetry.hourly_stats ORDER BY id") == before


def test_an_hour_that_was_never_rolled_up_is_not_taken_for_an_empty_one(sources):
    """Its readings lie before the limit of their retention; without statistics it would be published with no rows."""
    insert(sources, random_rows(6))
    limit = "UPDATE telemetry.raw_retention SET kept_since = %s"
    sources.in_telemetry(limit, (HOUR + timedelta(hours=1),))
    with pytest.raises(
        SourceError, match="has readings, was never rolled up, and lies before raw_retention.kept_since"
    ) as e:
        roll_up(sources.telemetry, [HOUR])
    assert not e.value.retryable
    (advice,) = re.findall(r"UPDATE telemetry\.raw_retention SET kept_since = '[^']*'", str(e.value))
    sources.in_telemetry(advice)
    assert roll_up(sources.telemetry, [HOUR]).written == {HOUR: 5}


@pytest.mark.parametrize(
    ("column", "average"), [("myo_channel_1", "avg_myo_amplitude"), ("actuator_temp", "avg_actuator_temp")]
)
@pytest.mark.parametrize("value", ["1e200", "-1e305", "Infinity", "NaN"])
def test_a_reading_that_no_arithmetic_can_take_spoils_its_own_row_only(sources, column, average, value):
    insert(sources, random_rows(8))
    sources.in_telemetry(ROLL_UP, (HOUR,))
    before = sources.in_telemetry(STATS, (HOUR,))
    sources.in_telemetry(
        f"INSERT INTO telemetry.raw_telemetry (chip_id, timestamp, {column}) VALUES ('ABSURD', %s, %s)", (HOUR, value)
    )
    assert sources.in_telemetry(ROLL_UP, (HOUR,)) == [(1,)]
    assert [row for row in sources.in_telemetry(STATS, (HOUR,)) if row[0] != "ABSURD"] == before
    ((kept,),) = sources.in_telemetry(f"SELECT {average} FROM telemetry.hourly_stats WHERE chip_id = 'ABSURD'")
    assert not math.isfinite(kept)
    assert sources.in_telemetry(ROLL_UP, (HOUR,)) == [(0,)]


def test_neighbouring_hours_are_left_alone(sources):
    insert(
        sources,
        [
            ("C1", HOUR - timedelta(microseconds=1), "grip", True, *[None] * 10),
            ("C1", HOUR + timedelta(hours=1), "grip", True, *[None] * 10),
        ],
    )
    assert sources.in_telemetry(ROLL_UP, (HOUR,)) == [(0,)]
    assert sources.in_telemetry("SELECT count(*) FROM telemetry.hourly_stats") == [(0,)]


def test_several_at_once_give_the_rows_of_one(sources):
    rows = random_rows(7)
    insert(sources, rows)
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(sources.in_telemetry(ROLL_UP, (HOUR,)))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [[(0,)], [(0,)], [(0,)], [(5,)]]
    found = {chip: numbers for chip, *numbers in sources.in_telemetry(STATS, (HOUR,))}
    assert found == {chip: pytest.approx(list(n), abs=1e-5) for chip, n in expected(rows).items()}
