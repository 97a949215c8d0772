"""The mart beside a table that was filled the Airflow way: each fault of that way, named."""

import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from bionicpro_assets.cli.compare import run_compare
from bionicpro_assets.compare import TOLERANCE, _differ, compare_marts
from bionicpro_assets.errors import AnswerError, PlatformError
from bionicpro_assets.load.clickhouse import ClickHouse

DAY = (datetime.now(UTC) - timedelta(days=2)).replace(hour=0, minute=0, second=0, microsecond=0)
OTHER = "airflow.user_prosthesis_stats"
CONTRACT = """user_id String, prosthesis_id UInt32, chip_id String, report_date Date, report_hour UInt8,
    customer_name String, prosthesis_model String, movements_count UInt32, successful_movements UInt32,
    avg_response_time Float32, avg_battery_level Float32, error_count UInt32, etl_processed_at DateTime"""
NAMES = [column.split()[0] for column in CONTRACT.split(",")]


@pytest.fixture
def loaded(clean_environment, platform, sources, monkeypatch):
    """Four hours of three patients in the mart, and the same rows in the other table."""
    monkeypatch.setenv("BIONICPRO_ROLLUP", "external")
    for chip, user in (("C1", "anna"), ("C2", "boris"), ("C3", "vera")):
        sources.add_wearer(chip, user)
    for hour in range(4):
        for number, chip in enumerate(("C1", "C2", "C3")):
            sources.add_hour(chip, DAY + timedelta(hours=hour), movements_count=100 * hour + number)
    platform.load(DAY, DAY + timedelta(hours=3))
    ch = platform.clickhouse
    ch.command("CREATE DATABASE airflow")
    ch.command(f"CREATE TABLE {OTHER} ({CONTRACT}) ENGINE = MergeTree ORDER BY (user_id, report_date)")
    ch.command(f"INSERT INTO {OTHER} SELECT {', '.join(NAMES)} FROM reports.user_prosthesis_stats")
    return platform


def again(ch: ClickHouse, where: str, later: int = 60, **changed: str) -> None:
    """Append rows that are there once more, as the other way of loading does."""
    stamp = {"etl_processed_at": f"etl_processed_at + {later}"}
    columns = ", ".join(f"{(stamp | changed)[n]} AS {n}" if n in stamp | changed else n for n in NAMES)
    # Read from the mart: a SELECT that appends to what it reads would see its own columns' names.
    ch.command(f"INSERT INTO {OTHER} SELECT {columns} FROM (SELECT * FROM reports.user_prosthesis_stats WHERE {where})")


def found(ch: ClickHouse) -> tuple[Counter, dict]:
    (count, differences), = compare_marts(ch, OTHER, DAY.date(), DAY.date(), report_timezone="UTC")  # fmt: skip
    assert count.alike + sum(d.kinds != ["surplus"] for d in differences) == count.rows
    return count.kinds, {(d.hour, d.chip_id): d for d in differences}


def test_the_same_rows_are_alike(loaded, capsys):
    assert found(loaded.clickhouse) == (Counter(), {})
    run_compare(OTHER, None, None, as_json=False)
    assert "All 12 rows of reports.user_prosthesis_stats are in" in " ".join(capsys.readouterr().out.split())


def test_every_kind_of_difference(loaded):
    ch = loaded.clickhouse
    again(ch, "report_hour = 0 AND chip_id = 'C1'")
    again(ch, "report_hour = 0 AND chip_id = 'C1'", later=120)
    ch.command(f"DELETE FROM {OTHER} WHERE report_hour = 1 OR (report_hour = 2 AND chip_id = 'C1')")
    ch.command(
        f"DELETE FROM {OTHER} WHERE report_hour = 2 AND chip_id IN ('C2', 'C3') OR report_hour = 3 AND chip_id != 'C3'"
    )
    again(ch, "report_hour = 2 AND chip_id = 'C2'", user_id="'anna'", customer_name="'Иванова Анна'")
    again(ch, "report_hour = 2 AND chip_id = 'C3'", movements_count="movements_count + 1", avg_battery_level="12.3")
    again(ch, "report_hour = 3 AND chip_id = 'C1'", customer_name="'Петрова Анна'")
    again(ch, "report_hour = 3 AND chip_id = 'C2'", avg_battery_level="avg_battery_level + 0.004")
    again(ch, "report_hour = 3 AND chip_id = 'C1'", chip_id="'C9'")
    kinds, rows = found(ch)
    assert kinds == {"doubled": 1, "missing hour": 3, "missing": 1, "other wearer": 1, "other names": 2,
                     "other numbers": 1, "surplus": 1}  # fmt: skip
    assert (rows[0, "C1"].kinds, rows[0, "C1"].copies) == (["doubled"], 3)
    assert {key for key, d in rows.items() if d.kinds == ["missing hour"]} == {(1, "C1"), (1, "C2"), (1, "C3")}
    assert rows[2, "C1"].kinds == ["missing"]
    assert rows[2, "C2"].kinds == ["other wearer", "other names"]
    assert rows[2, "C2"].columns == ["user_id", "customer_name"]
    assert rows[2, "C3"].columns == ["movements_count", "avg_battery_level"]
    assert rows[3, "C9"].kinds == ["surplus"]
    assert (3, "C2") not in rows, "rounding is no difference"


@pytest.mark.parametrize("value", ["nan", "inf", "NULL"])
def test_a_value_that_is_no_number_differs_from_every_number(loaded, value):
    """NaN is neither above nor below a limit, and no row may be alike for that."""
    ch = loaded.clickhouse
    ch.command(f"ALTER TABLE {OTHER} MODIFY COLUMN avg_response_time Nullable(Float32)")
    ch.command(f"DELETE FROM {OTHER} WHERE report_hour = 1 AND chip_id = 'C2'")
    again(ch, "report_hour = 1 AND chip_id = 'C2'", avg_response_time=value)
    kinds, rows = found(ch)
    assert kinds == {"other numbers": 1}
    assert rows[1, "C2"].columns == ["avg_response_time"]


def test_the_same_on_both_sides_is_alike(clickhouse):
    question = _differ("ours", "theirs", "Float32")
    for kind in ("Float32", "Float64", "Nullable(Float32)"):
        for value in ("nan", "inf", "-inf", "1.5", *(["NULL"] if kind.startswith("Nullable") else [])):
            both = f"CAST({value} AS {kind})"
            query = f"WITH {both} AS ours, {both} AS theirs SELECT {question}"
            assert clickhouse.rows(query, {"tolerance": TOLERANCE})[1][0][0] == 0, (kind, value)


def test_the_newest_copy_counts(loaded):
    """The open hour was loaded early, and again when it was over."""
    again(loaded.clickhouse, "report_hour = 0 AND chip_id = 'C1'", later=-60, movements_count="movements_count - 1")
    kinds, _ = found(loaded.clickhouse)
    assert kinds == {"doubled": 1}
    again(loaded.clickhouse, "report_hour = 0 AND chip_id = 'C1'", movements_count="movements_count + 10000")
    kinds, _ = found(loaded.clickhouse)
    assert kinds == {"doubled": 1, "other numbers": 1}


def test_what_is_set_aside_says_why(loaded, sources):
    hour = DAY + timedelta(hours=1)
    sources.add_hour("C2", hour, movements_count=1, successful_movements=5)
    loaded.load(hour, hour)
    kinds, rows = found(loaded.clickhouse)
    assert kinds == {"surplus": 1}
    assert "more successful movements than movements" in rows[1, "C2"].note


def test_the_repeated_hour_of_autumn(clean_environment, platform, sources, monkeypatch):
    monkeypatch.setenv("BIONICPRO_ROLLUP", "external")
    monkeypatch.setenv("BIONICPRO_REPORT_TIMEZONE", "Europe/Berlin")
    first = datetime(2026, 10, 25, 0, tzinfo=UTC)
    sources.add_wearer("C1", "anna")
    sources.add_hour("C1", first, movements_count=1)
    sources.add_hour("C1", first + timedelta(hours=1), movements_count=2)
    platform.load(first, first + timedelta(hours=1))
    ch = platform.clickhouse
    ch.command("CREATE DATABASE airflow")
    ch.command(f"CREATE TABLE {OTHER} ({CONTRACT}) ENGINE = MergeTree ORDER BY user_id")
    ch.command(f"INSERT INTO {OTHER} SELECT {', '.join(NAMES)} FROM reports.user_prosthesis_stats")
    day = date(2026, 10, 25)
    (count, _), = compare_marts(ch, OTHER, day, day, report_timezone="Europe/Berlin")  # fmt: skip
    assert (count.rows, count.alike, count.kinds) == (2, 2, Counter())
    ch.command(f"ALTER TABLE {OTHER} UPDATE movements_count = 7 WHERE movements_count = 2 SETTINGS mutations_sync = 1")
    (count, (difference,)), = compare_marts(ch, OTHER, day, day, report_timezone="Europe/Berlin")  # fmt: skip
    assert (difference.kinds, difference.hour) == (["other numbers"], 2)


def test_the_command(loaded, capsys):
    again(loaded.clickhouse, "report_hour = 0")
    with pytest.raises(PlatformError, match=rf"has 12 rows and {OTHER} 15; 9 are alike"):
        run_compare(OTHER, str(DAY.date()), str(DAY.date()), as_json=True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(d["hour"], d["chip_id"], d["kinds"], d["copies"]) for d in lines] == [
        (0, chip, ["doubled"], 2) for chip in ("C1", "C2", "C3")
    ]
    with pytest.raises(PlatformError):
        run_compare(OTHER, None, None, as_json=False)
    assert "every sum over it is as many times too high" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("as_json", [False, True])
def test_nothing_compared_is_not_alike(loaded, as_json):
    """A period that was mistyped must not pass for a table that may be switched off."""
    day = DAY.date()
    for first, last in (("2020-01-01", "2020-01-02"), ("2020-01-01", f"{day - timedelta(days=1)}")):
        said = f"^Neither table has a row from {first} to {last}; there are rows from {day} to {day}\\.$"
        with pytest.raises(PlatformError, match=said) as caught:
            run_compare(OTHER, first, last, as_json=as_json)
        assert not isinstance(caught.value, AnswerError), "the answer isn't no: there is none"
    # A gap between days that have rows.
    long_ago = f"{day - timedelta(days=9)}"
    again(loaded.clickhouse, "report_hour = 0", report_date=f"toDate('{long_ago}')")
    before = f"{day - timedelta(days=1)}"
    with pytest.raises(PlatformError, match=f"from {before} to {before}; there are rows from {long_ago} to {day}"):
        run_compare(OTHER, before, before, as_json=as_json)
    with pytest.raises(PlatformError, match=f"^2020-01-02 is before the first day that either table has, {long_ago}"):
        run_compare(OTHER, None, "2020-01-02", as_json=as_json)


def test_years_around_the_rows_cost_no_queries(loaded, monkeypatch):
    """Only days that one of the tables has are asked for, those of the other table too."""
    asked, rows = [], ClickHouse.rows

    def counted(clickhouse, query, parameters=None, settings=None):
        asked.extend([parameters["day"]] if parameters and "day" in parameters else [])
        return rows(clickhouse, query, parameters, settings)

    monkeypatch.setattr(ClickHouse, "rows", counted)
    run_compare(OTHER, "1990-01-01", "2050-12-31", as_json=True)
    assert asked == [f"{DAY.date()}"]
    asked.clear()
    surplus = DAY.date() + timedelta(days=1)
    again(loaded.clickhouse, "report_hour = 0", report_date=f"toDate('{surplus}')")
    with pytest.raises(AnswerError, match=f"^1990-01-01 to 2050-12-31: .* has 12 rows and {OTHER} 15; 12 are alike"):
        run_compare(OTHER, "1990-01-01", "2050-12-31", as_json=True)
    assert asked == [f"{DAY.date()}", f"{surplus}"]


@pytest.mark.parametrize(
    ("other", "first", "said"),
    [
        ("airflow.nothing", None, "has no table airflow.nothing"),
        ("airflow.x; DROP TABLE y", None, "isn't the name of a table"),
        ("reports.user_prosthesis_stats", None, "is the mart itself"),
        ("airflow.short", None, "airflow.short lacks prosthesis_id, chip_id"),
        (OTHER, "yesterday", "'yesterday' isn't a day"),
        (OTHER, "2030-01-01", "2030-01-01 is after"),
    ],
)
def test_what_cant_be_compared_is_said(loaded, other, first, said):
    loaded.clickhouse.command("CREATE TABLE airflow.short (user_id String) ENGINE = Memory")
    with pytest.raises(PlatformError, match=said):
        run_compare(other, first, None, as_json=False)
