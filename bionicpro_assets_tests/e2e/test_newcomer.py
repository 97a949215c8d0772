"""What a newcomer does, by the installed command in an empty folder."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bionicpro_assets_tests.folders import folder_for_postgres

BIONICPRO = Path(sys.executable).parent / "bionicpro"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with folder_for_postgres() as made:
        yield made


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("BIONICPRO_", "ETL_", "DAGSTER_"))}
    return subprocess.run(
        [BIONICPRO, *arguments],
        cwd=folder,
        env=environment | {"COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def ask(folder: Path, query: str) -> list[dict]:
    result = run(folder, "query", query, "--json")
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


TOTALS = "SELECT count() AS n, sum(movements_count) AS movements, uniqExact(user_id, prosthesis_id, report_date, report_hour) AS keys FROM reports.user_prosthesis_stats"


@pytest.fixture(scope="module")
def demo(folder: Path) -> subprocess.CompletedProcess[str]:
    result = run(folder, "demo", "--hours", "3")
    assert result.returncode == 0, result.stdout + result.stderr
    return result


def test_the_demo_shows_the_mart_and_both_monitoring_queries(demo):
    for text in (
        "reports.user_prosthesis_stats, the newest rows",
        "Today, by patient",
        "The last days",
        "Whose hour: a chip that was refitted",
        "the CRM doesn't know the chip",
        "How to go on",
    ):
        assert text in demo.stdout
    assert "Warning" not in demo.stderr
    assert "Traceback" not in demo.stderr


def test_the_mart_has_every_prosthesis_and_hour_once(demo, folder):
    (totals,) = ask(folder, TOTALS)
    assert totals["n"] == totals["keys"] > 50
    assert totals["movements"] > 1000


def test_every_hour_has_the_wearer_of_the_hour_and_one_chip_is_set_aside(demo, folder):
    rows = ask(
        folder,
        "SELECT user_id, ownership FROM staging.crm_customer_prosthesis WHERE chip_id = 'CHIP-000001' ORDER BY hour_start",
    )
    # The demo may have begun in the hour before.
    assert [r["user_id"] for r in rows[:4]] == ["user_0001"] * 2 + ["user_0007"] * 2
    assert {r["ownership"] for r in rows} == {"named"}
    assert ask(folder, "SELECT DISTINCT chip_id FROM quarantine.rejected_telemetry WHERE no_wearer") == [
        {"chip_id": "CHIP-UNKNOWN-1"}
    ]


def test_loading_again_changes_no_number(demo, folder):
    (last,) = ask(
        folder,
        "SELECT max(report_date) AS day, argMax(report_hour, (report_date, report_hour)) AS hour FROM reports.user_prosthesis_stats",
    )
    closed = f" WHERE (report_date, report_hour) < (toDate('{last['day']}'), {last['hour']})"
    before = ask(folder, TOTALS + closed)
    result = run(folder, "materialize")
    assert result.returncode == 0, result.stdout + result.stderr
    assert ask(folder, TOTALS + closed) == before


def test_the_demo_again_goes_on_where_it_was(demo, folder):
    before = ask(
        folder,
        "SELECT user_id, movements_count FROM reports.user_prosthesis_stats WHERE report_hour = (SELECT min(report_hour) FROM reports.user_prosthesis_stats) ORDER BY 1, 2",
    )
    assert run(folder, "demo", "--hours", "3").returncode == 0
    after = ask(
        folder,
        "SELECT user_id, movements_count FROM reports.user_prosthesis_stats WHERE report_hour = (SELECT min(report_hour) FROM reports.user_prosthesis_stats) ORDER BY 1, 2",
    )
    assert before == after


def test_settings_of_ones_own_are_left_alone():
    with folder_for_postgres() as other:
        (other / ".env").write_text("ETL_LOOKBACK_HOURS=3\n")
        result = run(other, "demo", "--hours", "1", "--prostheses", "3")
        assert result.returncode == 0, result.stdout + result.stderr
        assert (other / ".env").read_text() == "ETL_LOOKBACK_HOURS=3\n"
    assert "--env-file .bionicpro/demo.env" in result.stdout


def test_without_settings_a_command_says_what_is_missing(tmp_path):
    result = run(tmp_path, "status")
    assert result.returncode == 2
    assert "BIONICPRO_CLICKHOUSE_URL: is not set" in result.stderr
    assert "Traceback" not in result.stderr
