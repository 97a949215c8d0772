"""Verification: finds every kind of difference, and only differences."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from bionicpro_assets.cli.main import app
from bionicpro_assets.hours import floor_hour
from bionicpro_assets.sqlfiles import sql
from bionicpro_assets_tests.integration.sources import as_user, reader_of

pytestmark = pytest.mark.filterwarnings("ignore")
LAST = floor_hour(datetime.now(UTC)) - timedelta(hours=2)
FIRST = LAST - timedelta(hours=1)
SPAN = ["--from", f"{FIRST:%Y-%m-%dT%H:%M}", "--to", f"{LAST:%Y-%m-%dT%H:%M}"]


@pytest.fixture
def loaded(platform, sources, monkeypatch):
    monkeypatch.setenv("BIONICPRO_ROLLUP", "external")
    monkeypatch.setenv("COLUMNS", "200")
    for chip, user in (("C1", "anna"), ("C2", "boris"), ("C3", "vera")):
        sources.add_wearer(chip, user)
        for hour in (FIRST, LAST):
            sources.add_hour(chip, hour)
    platform.load(FIRST, LAST)
    return sources


def verify(*more: str):
    return CliRunner().invoke(app, ["verify", *SPAN, *more])


def test_a_mart_that_is_right(loaded):
    result = verify()
    assert result.exit_code == 0, result.output
    assert "the mart's 6 rows are what the sources give" in " ".join(result.output.split())
    (summary,) = map(json.loads, verify("--json").stdout.splitlines())
    assert (summary["same"], summary["rows_expected"], summary["rows_found"], summary["hours"]) == (True, 6, 6, 2)


def test_every_kind_of_difference_is_named(loaded):
    loaded.in_telemetry("DELETE FROM telemetry.hourly_stats WHERE chip_id = 'C1' AND hour_start = %s", (FIRST,))
    loaded.add_hour("C2", LAST, movements_count=7, successful_movements=7)
    loaded.add_wearer("C4", "maria")
    loaded.add_hour("C4", LAST)
    result = verify("--json")
    assert result.exit_code == 1
    *differences, summary = map(json.loads, result.stdout.splitlines())
    assert (summary["same"], summary["differing_rows"], len(summary["differing_hours"])) == (False, 3, 2)
    found = {(d["chip_id"], d["hour"]): d for d in differences}
    hour = {h: f"{h:%Y-%m-%d %H:%M}" for h in (FIRST, LAST)}
    assert {key: d["kind"] for key, d in found.items()} == {
        ("C1", hour[FIRST]): "surplus",
        ("C2", hour[LAST]): "changed",
        ("C4", hour[LAST]): "missing",
    }
    names = set(found["C2", hour[LAST]]["columns"].split(", "))
    assert {"movements_count", "successful_movements", "success_rate"} <= names <= {
        "movements_count", "successful_movements", "success_rate", "source_updated_at",
    }  # fmt: skip
    assert "3 rows differ in 2 of" in result.output
    shown = verify()
    assert "Rows that differ" in shown.output
    assert "Иванова" not in shown.output


def test_what_readers_get_is_looked_at_too(loaded, platform):
    """A view that shows replaced publications doubles hours, though all that is stored is right."""
    loaded.add_hour("C1", LAST, movements_count=7, successful_movements=7)
    platform.load(LAST, LAST)
    view = sql("clickhouse/schema/230_reports_user_prosthesis_stats.sql")
    platform.clickhouse.command(view.partition("WHERE (hour_start, publication)")[0])
    result = verify()
    assert result.exit_code == 1, result.output
    assert "doesn't answer what was published" in " ".join(result.output.split())


def test_a_roll_up_that_isnt_that_of_the_raw_rows(platform, sources, monkeypatch, postgres_server):
    """Nothing says that raw rows were deleted once their hour is rolled up, but a look at what is left of them."""
    monkeypatch.setenv("BIONICPRO_ROLLUP", "platform")
    monkeypatch.setenv("COLUMNS", "200")
    sources.add_wearer("C1", "anna")
    for hour in (FIRST, LAST):
        sources.in_telemetry(
            "INSERT INTO telemetry.raw_telemetry (chip_id, timestamp, movement_type, created_at) "
            "SELECT 'C1', %(hour)s + n * interval '1 minute', 'grip', %(hour)s FROM generate_series(0, 59) n",
            {"hour": hour},
        )
    platform.load(FIRST, LAST)
    assert verify().exit_code == 0
    sources.in_telemetry(
        "DELETE FROM telemetry.raw_telemetry WHERE timestamp BETWEEN %s AND %s", (LAST, LAST + timedelta(minutes=9))
    )
    result = verify()
    assert result.exit_code == 1, result.output
    said = " ".join(result.output.split())
    assert f"The hourly counts are those of the raw rows. Not so 1 time in {LAST:%Y-%m-%d %H:%M}" in said
    # The raw rows are looked at where this platform rolls them up; otherwise they are somebody else's.
    monkeypatch.setenv("BIONICPRO_ROLLUP", "external")
    assert verify().exit_code == 0
    monkeypatch.setenv("BIONICPRO_ROLLUP", "platform")
    with reader_of(postgres_server, {sources.telemetry: "telemetry.v_hourly_telemetry"}) as reader:
        monkeypatch.setenv("BIONICPRO_TELEMETRY_DB_URL", as_user(sources.telemetry, reader).url)
        result = verify()
    assert result.exit_code == 0, result.output
    assert "Not looked at: rolled_up_as_sent" in result.output


def test_hours_that_were_never_loaded_are_named(loaded):
    before = FIRST - timedelta(hours=2)
    loaded.add_hour("C1", before)
    result = CliRunner().invoke(app, ["verify", "--from", f"{before:%Y-%m-%dT%H:%M}", *SPAN[2:]])
    assert result.exit_code == 1
    assert f"Never loaded: {before:%Y-%m-%d %H:%M}" in result.output
    assert "1 rows differ in 1 of" in result.output


def test_without_a_lookback_the_last_closed_hour_is_compared(loaded, monkeypatch):
    """A refresh loads the open hour alone then, and of that the sources say something else a moment later."""
    monkeypatch.setenv("ETL_LOOKBACK_HOURS", "0")
    before = floor_hour(datetime.now(UTC))
    result = CliRunner().invoke(app, ["verify"])
    hours = {now - timedelta(hours=1) for now in (before, floor_hour(datetime.now(UTC)))}
    assert result.exit_code == 1, result.output
    assert any(f"Never loaded: {hour:%Y-%m-%d %H:%M} UTC." in result.output for hour in hours), result.output
