"""The command line on real databases: what it does, what it says, how it ends."""

import json
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from typer.testing import CliRunner, Result

from bionicpro_assets.cli.console import console, table
from bionicpro_assets.cli.main import Failed, app
from bionicpro_assets.errors import PlatformError
from bionicpro_assets.hours import floor_hour, hour_range
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.setup.demo import write_env_file
from bionicpro_assets_tests.e2e.upping import until
from bionicpro_assets_tests.integration.platform import mart_rows
from bionicpro_assets_tests.integration.test_engine import another_process

pytestmark = pytest.mark.filterwarnings("ignore")
OPEN = floor_hour(datetime.now(UTC))
FIRST = OPEN - timedelta(hours=2)
# Named, so that an hour that ends while the tests run changes nothing.
LOAD = ("materialize", "--from", f"{FIRST:%Y-%m-%dT%H:%M}", "--to", f"{OPEN:%Y-%m-%dT%H:%M}")


def bionicpro(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.fixture
def configured(deployed, tmp_path, monkeypatch):
    """Settings for databases as deployed, and an empty ClickHouse."""
    monkeypatch.setenv("BIONICPRO_CRM_DB_URL", deployed.crm.url)
    monkeypatch.setenv("BIONICPRO_TELEMETRY_DB_URL", deployed.telemetry.url)
    monkeypatch.setenv("BIONICPRO_CLICKHOUSE_URL", f"chdb://{tmp_path}/clickhouse")
    monkeypatch.setenv("BIONICPRO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BIONICPRO_ROLLUP", "external")
    monkeypatch.setenv("COLUMNS", "200")
    for chip, user, category in (("C1", "anna", "hand"), ("C2", "anna", "leg"), ("C3", "boris", "arm")):
        deployed.add_wearer(chip, user, category=category)
    for i, hour in enumerate(hour_range(FIRST, OPEN)):
        for j, chip in enumerate(["C1", "C2", "C3", "UNKNOWN"]):
            deployed.add_hour(chip, hour, movements_count=100 + 10 * i + j)
    return deployed


def mart(tmp_path):
    with ClickHouse(f"chdb://{tmp_path}/clickhouse") as clickhouse:
        return mart_rows(clickhouse)


def test_databases_as_deployed_fill_the_mart(configured, tmp_path):
    result = bionicpro("init", "clickhouse")
    assert result.exit_code == 0, result.output
    result = bionicpro(*LOAD)
    assert result.exit_code == 0, result.output
    expected = configured.expected_mart(FIRST, OPEN)
    assert len(expected) == 9
    assert mart(tmp_path) == expected


def test_by_default_the_lookback_and_the_open_hour_are_loaded(configured, tmp_path, monkeypatch):
    monkeypatch.setenv("ETL_LOOKBACK_HOURS", "1")
    bionicpro("init", "clickhouse")
    before = floor_hour(datetime.now(UTC))
    result = bionicpro("materialize")
    assert result.exit_code == 0, result.output
    with ClickHouse(f"chdb://{tmp_path}/clickhouse") as clickhouse:
        _, rows = clickhouse.rows(
            "SELECT DISTINCT toUnixTimestamp(hour_start) AS hour FROM storage.publications ORDER BY hour"
        )
    after = floor_hour(datetime.now(UTC))
    windows = [[(int((now - timedelta(hours=n)).timestamp()),) for n in (1, 0)] for now in (before, after)]
    assert list(rows) in windows


def test_init_leaves_databases_that_somebody_else_made_alone(configured):
    before = configured.in_crm("SELECT pg_get_viewdef('crm.v_customer_prosthesis'::regclass)")
    for target in ("crm", "telemetry"):
        result = bionicpro("init", target)
        assert result.exit_code == 2
        assert f"already has a schema {target} that bionicpro didn't make" in result.output
    assert configured.in_crm("SELECT pg_get_viewdef('crm.v_customer_prosthesis'::regclass)") == before


def test_init_of_empty_databases_can_be_repeated(sources, tmp_path, monkeypatch):
    monkeypatch.setenv("BIONICPRO_CRM_DB_URL", sources.crm.url)
    monkeypatch.setenv("BIONICPRO_TELEMETRY_DB_URL", sources.telemetry.url)
    monkeypatch.setenv("BIONICPRO_CLICKHOUSE_URL", f"chdb://{tmp_path}/clickhouse")
    sources.in_crm("DROP SCHEMA crm CASCADE")
    for _ in range(2):
        result = bionicpro("init")
        assert result.exit_code == 0, result.output
    assert sources.in_crm("SELECT count(*) FROM crm.v_customer_prosthesis") == [(0,)]


DEPLOYED = [
    "CREATE DATABASE reports",
    "CREATE TABLE reports.user_prosthesis_stats (user_id String, n UInt32) ENGINE = MergeTree ORDER BY user_id",
    "INSERT INTO reports.user_prosthesis_stats VALUES ('a', 1)",
    "CREATE TABLE reports.user_daily_stats (user_id String, n UInt32) ENGINE = SummingMergeTree ORDER BY user_id",
    "CREATE VIEW reports.v_user_report AS SELECT user_id, n AS daily_movements FROM reports.user_prosthesis_stats",
    "CREATE MATERIALIZED VIEW reports.v_last_days TO reports.user_daily_stats AS SELECT * FROM reports.user_prosthesis_stats",
]


def test_init_leaves_alone_what_it_did_not_make(configured, tmp_path):
    """All that is in the way is named, of each kind, and nothing is touched: neither replaced nor half made."""
    everything = "SELECT database, name, create_table_query FROM system.tables WHERE database NOT IN ('system', 'INFORMATION_SCHEMA', 'information_schema') ORDER BY ALL"

    def stands() -> list[Any]:
        with ClickHouse(f"chdb://{tmp_path}/clickhouse") as clickhouse:
            return list(clickhouse.rows(everything)[1])

    with ClickHouse(f"chdb://{tmp_path}/clickhouse") as clickhouse:
        for statement in DEPLOYED:
            clickhouse.command(statement)
    before = stands()
    result = bionicpro("init", "clickhouse")
    assert result.exit_code == 2
    said = " ".join(result.output.split())
    for name, kind in [
        ("user_prosthesis_stats", "table, MergeTree"), ("user_daily_stats", "table, SummingMergeTree"),
        ("v_user_report", "view"), ("v_last_days", "materialized view"),
    ]:  # fmt: skip
        assert f"reports.{name} ({kind})" in said
    assert "RENAME TABLE reports.user_daily_stats" in said
    assert stands() == before
    with ClickHouse(f"chdb://{tmp_path}/clickhouse") as clickhouse:
        assert clickhouse.rows("SELECT * FROM reports.v_user_report")[1] == [("a", 1)]
        for name in ("v_last_days", "v_user_report"):
            clickhouse.command(f"DROP VIEW reports.{name}")
        for name in ("user_prosthesis_stats", "user_daily_stats"):
            clickhouse.command(f"RENAME TABLE reports.{name} TO reports.{name}_before")
    assert bionicpro("init", "clickhouse").exit_code == 0


def test_the_public_mart_says_of_its_columns_what_the_storage_says(clickhouse):
    """Who reads reports can't see the storage."""
    described = (
        "SELECT name, type, comment FROM system.columns WHERE (database, table) = ('{}', 'user_prosthesis_stats')"
    )
    public, stored = (clickhouse.rows(described.format(database))[1] for database in ("reports", "storage"))
    assert set(map(tuple, public)) <= set(map(tuple, stored))
    assert len(public) == 29
    assert all(comment for *_, comment in public)


def test_init_goes_on_after_a_crash_between_a_view_and_its_record(configured, tmp_path):
    assert bionicpro("init", "clickhouse").exit_code == 0
    with ClickHouse(f"chdb://{tmp_path}/clickhouse") as clickhouse:
        clickhouse.command("DELETE FROM storage.schema_changes WHERE file >= '130'")
    assert bionicpro("init", "clickhouse").exit_code == 0
    with ClickHouse(f"chdb://{tmp_path}/clickhouse") as clickhouse:
        clickhouse.command("DELETE FROM storage.schema_changes WHERE file >= '130'")
        clickhouse.command("CREATE OR REPLACE VIEW reports.v_user_report AS SELECT 1 AS mine")
    result = bionicpro("init", "clickhouse")
    assert result.exit_code == 2
    assert "reports.v_user_report (view)" in " ".join(result.output.split())


def test_init_of_something_unknown(configured):
    result = bionicpro("init", "crn")
    assert result.exit_code == 2
    assert "There is no crn to set up; choose from crm, telemetry, clickhouse, roles." in result.output


def test_materialize_without_init_says_what_to_do(configured):
    result = bionicpro(*LOAD)
    assert result.exit_code == 1
    assert "bionicpro init clickhouse" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        ("DROP VIEW telemetry.v_hourly_telemetry", "there is no telemetry.v_hourly_telemetry"),
        (
            "ALTER VIEW telemetry.v_hourly_telemetry RENAME COLUMN error_count TO errors",
            "column error_count is missing",
        ),
    ],
)
def test_a_source_that_breaks_is_one_clear_message_and_the_mart_stays(configured, tmp_path, break_it, said):
    bionicpro("init", "clickhouse")
    assert bionicpro(*LOAD).exit_code == 0
    before = mart(tmp_path)
    configured.in_telemetry(break_it)
    result = bionicpro(*LOAD)
    assert result.exit_code == 1
    assert said in result.output
    assert "Traceback" not in result.output
    assert mart(tmp_path) == before


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        ("movements_count = -5", "movements_count is negative"),
        ("min_battery_level = 300", "min_battery_level is outside 0 to 100"),
        ("max_actuator_temp = 'Infinity'", "max_actuator_temp is not a finite number"),
        ("avg_response_time = 'NaN'", "avg_response_time is not a finite number"),
    ],
)
def test_a_row_with_an_impossible_value_is_set_aside_and_said(configured, break_it, reason):
    bionicpro("init", "clickhouse")
    configured.in_telemetry(f"UPDATE telemetry.hourly_stats SET {break_it} WHERE chip_id = 'C1'")
    result = bionicpro(*LOAD)
    assert result.exit_code == 0
    assert f"chip C1: {reason}" in " ".join(result.output.split())
    mart = bionicpro("query", "SELECT count() FROM reports.user_prosthesis_stats WHERE chip_id = 'C1'", "--json")
    assert '"count()":0' in mart.output
    kept = bionicpro("query", "SELECT reason FROM quarantine.rejected_telemetry WHERE chip_id = 'C1'", "--json")
    assert reason in kept.output


def test_a_database_that_is_down_is_named(configured, tmp_path, monkeypatch):
    bionicpro("init", "clickhouse")
    monkeypatch.setenv("BIONICPRO_CRM_DB_URL", "postgresql://etl:s3cret@127.0.0.1:1/crm_db")
    result = bionicpro(*LOAD)
    assert result.exit_code == 1
    assert "crm_db (127.0.0.1:1/crm_db) can't be reached" in result.output
    assert "s3cret" not in result.output
    assert mart(tmp_path) == []


@pytest.mark.parametrize("command", [["status"], LOAD])
def test_a_folder_that_cant_be_written_is_named(configured, monkeypatch, command):
    monkeypatch.setenv("BIONICPRO_HOME", "/dev/null/x")
    result = bionicpro(*command)
    assert result.exit_code == 2
    assert "/dev/null/x/dagster can't be written: Not a directory. It is in BIONICPRO_HOME." in result.output


@pytest.mark.parametrize(
    ("folder", "said"),
    [("/dev/null", "/dev/null is no folder. It is in DAGSTER_HOME."), ("/proc/1", "/proc/1 can't be written: ")],
)
def test_dagsters_own_folder_is_named(configured, monkeypatch, folder, said):
    monkeypatch.setenv("DAGSTER_HOME", folder)
    result = bionicpro("status")
    assert result.exit_code == 2
    assert said in result.output


def test_the_demo_names_a_folder_that_cant_be_written(clean_environment, tmp_path):
    result = bionicpro("demo", "--home", "/dev/null/x")
    assert result.exit_code == 2
    assert "/dev/null/x can't be written: Not a directory." in " ".join(result.output.split())
    (tmp_path / ".env").symlink_to("/dev/null/x")
    with pytest.raises(PlatformError, match=r"/\.env can't be written: it isn't a regular file, and isn't replaced\.$"):
        write_env_file({}, tmp_path)


def test_wrong_settings_are_listed_before_anything_is_done(configured, monkeypatch):
    monkeypatch.setenv("ETL_LOOKBACK_HOURS", "many")
    monkeypatch.delenv("BIONICPRO_CRM_DB_URL")
    for command in (["materialize"], ["status"], ["init"], ["query", "SELECT 1"]):
        result = bionicpro(*command)
        assert result.exit_code == 2
        assert "The settings have 2 problems:" in result.output
        assert "ETL_LOOKBACK_HOURS" in result.output
        assert "BIONICPRO_CRM_DB_URL" in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "yesterday"], "'yesterday' is not an hour"),
        (["--from", "2026-11-24T08:30"], "is not a whole UTC hour"),
        (["--from", "2026-11-24T08:00", "--to", "2026-11-24T07:00"], "is after the last one"),
        (["--from", "2020-01-01T00:00"], "BIONICPRO_PARTITIONS_START"),
        (["--to", "2100-01-01T00:00"], "hasn't begun"),
    ],
)
def test_a_window_that_makes_no_sense_is_refused(configured, arguments, said):
    result = bionicpro("materialize", *arguments)
    assert result.exit_code == 2
    assert said in result.output


def test_a_window_of_ones_own(configured, tmp_path):
    bionicpro("init", "clickhouse")
    hour = f"{FIRST:%Y-%m-%dT%H:%M}"
    assert bionicpro("materialize", "--from", hour, "--to", hour).exit_code == 0
    assert mart(tmp_path) == configured.expected_mart(FIRST, FIRST)


def test_scripts_are_told_of_every_run_by_an_object(configured, tmp_path, monkeypatch):
    monkeypatch.setenv("BIONICPRO_HOURS_PER_RUN", "2")
    bionicpro("init", "clickhouse")
    result = bionicpro(*LOAD, "--json")
    assert result.exit_code == 0, result.output
    runs = [json.loads(line) for line in result.stdout.splitlines()]
    hours = [FIRST + timedelta(hours=n) for n in range(3)]
    assert [(r["first_hour"], r["last_hour"], r["hours"], r["failures"]) for r in runs] == [
        (hours[0].isoformat(), hours[1].isoformat(), 2, []),
        (hours[2].isoformat(), hours[2].isoformat(), 1, []),
    ]
    assert len({r["run_id"] for r in runs}) == 2
    assert mart(tmp_path) == configured.expected_mart(FIRST, OPEN)

    configured.in_crm(
        "UPDATE crm.prostheses SET customer_id = (SELECT customer_id FROM crm.customers WHERE external_id = 'boris'), "
        "updated_at = now() WHERE chip_id = 'C1'"
    )
    first = f"{FIRST:%Y-%m-%dT%H:%M}"
    corrected = ["materialize", "--from", first, "--to", first, "--wearers-as-of-now", "--json"]
    run, row = map(json.loads, bionicpro(*corrected, "--chip", "C1").stdout.splitlines())
    assert run["hours"] == 1
    assert (row["chip_id"], row["known_before"], row["stated"]) == ("C1", "anna", "boris")
    assert row["hour_start"].startswith(f"{FIRST:%Y-%m-%dT%H}:00")

    failed = bionicpro(*corrected, "--chip", "C7")
    assert failed.exit_code == 1
    assert "no one wearer of C7" in json.loads(failed.stdout)["failures"][0]


def test_query_shows_rows_and_writes_nothing(configured):
    bionicpro("init", "clickhouse")
    bionicpro(*LOAD)
    question = "SELECT user_id, count() AS hours FROM reports.user_prosthesis_stats GROUP BY 1 ORDER BY 1"
    result = bionicpro("query", question, "--json")
    assert [json.loads(line) for line in result.output.splitlines()] == [
        {"user_id": "anna", "hours": 6},
        {"user_id": "boris", "hours": 3},
    ]
    assert bionicpro("query", question).output == "anna\t6\nboris\t3\n"
    shown = bionicpro("query", question, "--format", "table").output
    assert shown == "user_id  hours\n───────  ─────\nanna         6\nboris        3\n2 rows\n"
    assert bionicpro("query", "SELECT 7 AS a", "--format", "table").output.splitlines()[-1] == "1 row"
    for statement in ("DROP TABLE storage.publications", "INSERT INTO storage.publications (table_name) VALUES ('x')"):
        refused = bionicpro("query", statement)
        assert refused.exit_code == 2
        assert "This only reads" in refused.output


def test_query_gives_scripts_what_json_can_hold(configured):
    """ClickHouse has numbers that are none and maps with any keys; JSON has neither."""
    day = "toDate('2026-11-24')"
    asked = (
        f"SELECT nan AS a, -inf AS b, [1 / 0, 1.5] AS c, tuple(nan, 'x') AS d, map({day}, map({day}, nan)) AS e, 1 AS f"
    )
    result = bionicpro("query", asked, "--json")
    assert result.exit_code == 0, result.output

    def refused(constant: str):
        raise AssertionError(f"{constant} isn't JSON")

    assert json.loads(result.stdout, parse_constant=refused) == {
        "a": None, "b": None, "c": [None, 1.5], "d": [None, "x"], "e": {"2026-11-24": {"2026-11-24": None}}, "f": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("SELECT moves FROM reports.user_prosthesis_stats", "`moves`"),
        ("SELECT 1 FROM reports.user_prosthesis_stat", "reports.user_prosthesis_stat"),
        ("SELECT 1 FROM report.user_prosthesis_stats", "Database report does not exist"),
        ("SELECT count( FROM reports.user_prosthesis_stats", "Syntax error"),
    ],
)
def test_a_slip_in_a_query_is_the_persons(configured, statement, said):
    """Nothing is missing that could be made, and nothing is quoted that the person didn't write."""
    bionicpro("init", "clickhouse")
    result = bionicpro("query", statement)
    assert result.exit_code == 2
    assert said in result.output
    assert "bionicpro init" not in result.output
    assert "SETTINGS readonly" not in result.output
    assert "session_timezone" not in result.output


def test_a_query_before_init_says_what_to_do(configured):
    result = bionicpro("query", "SELECT 1 FROM reports.user_prosthesis_stats")
    assert result.exit_code == 2
    assert "bionicpro init clickhouse" in result.output


def test_query_shows_text_as_it_is(configured):
    """Somebody's text may look like what colours a terminal, and must neither vanish nor break the table."""
    asked = "SELECT '[red]a[/red] [b]' AS a, ':warning:' AS `[dim]`, '[/x]' AS c, '\\x1b[31mred' AS d"
    said = bionicpro("query", asked, "--format", "table")
    assert said.exit_code == 0, said.output
    header, _, row, _ = said.output.splitlines()
    assert header.split() == ["a", "[dim]", "c", "d"]
    assert row.split("  ") == ["[red]a[/red] [b]", ":warning:", "[/x]", "␛[31mred"]
    told = CliRunner().invoke(app, ["query", "-"], input=asked)
    assert told.stdout == "[red]a[/red] [b]\t:warning:\t[/x]\t\x1b[31mred\n"


def test_what_a_check_says_is_shown_as_it_is(configured):
    bionicpro("init", "clickhouse")
    configured.in_telemetry(
        "UPDATE telemetry.hourly_stats SET movements_count = -5, chip_id = E'[/C1]\\x1b[2J' WHERE chip_id = 'C1'"
    )
    result = bionicpro(*LOAD)
    assert result.exit_code == 0, result.output
    # What would clear the screen is seen instead.
    assert "chip [/C1]␛[2J: " in " ".join(result.output.split())
    assert "\x1b" not in result.output


def test_status_before_and_after_a_run(configured):
    bionicpro("init", "clickhouse")
    before = bionicpro("status")
    assert before.exit_code == 0, before.output
    assert "never" in before.output
    assert "nothing is published yet" in before.output
    bionicpro(*LOAD)
    after = bionicpro("status").output
    # An older hour again: the newest was loaded before that.
    between, first = datetime.now(UTC), f"{FIRST:%Y-%m-%dT%H:%M}"
    bionicpro("materialize", "--from", first, "--to", first)
    for_scripts = json.loads(bionicpro("status", "--json").stdout)
    assert [(r["status"], r["first_hour"], r["last_hour"], r["hours"]) for r in for_scripts["runs"]] == [
        ("success", FIRST.isoformat(), FIRST.isoformat(), 1),
        ("success", FIRST.isoformat(), OPEN.isoformat(), 3),
    ]
    for asset in for_scripts["assets"]:
        if asset["hours"]:
            assert asset["newest_hour"] == OPEN.isoformat()
            assert asset["newest_hour_materialised_at"] < between.isoformat() < asset["materialised_at"]
    assert {a["asset"]: a["hours"] for a in for_scripts["assets"]}["reports/user_prosthesis_stats"] > 0
    assert for_scripts["mart"]["rows"] == 9
    assert "reports/user_prosthesis_stats" in after
    assert "success" in after
    assert "9 rows in 3 hours" in after


@pytest.mark.parametrize("for_scripts", [[], ["--json"]])
def test_a_server_that_is_away_is_no_good_status(configured, monkeypatch, for_scripts):
    """A script that looks at nothing but how it ends must not take it for a mart that is there."""
    monkeypatch.setenv("BIONICPRO_CLICKHOUSE_URL", "http://etl:s3cret@127.0.0.1:1/reports")
    result = bionicpro("status", *for_scripts)
    assert result.exit_code == 2, result.output
    assert "ClickHouse (http://127.0.0.1:1) can't be reached" in " ".join(result.stderr.split())
    assert "reports/user_prosthesis_stats" in result.stdout, "what Dagster knows is said all the same"
    assert "s3cret" not in result.output


def test_an_engine_that_is_at_work_is_no_fault(configured, tmp_path):
    bionicpro("init", "clickhouse")
    with another_process(f"chdb://{tmp_path}/clickhouse"):
        result = bionicpro("status", "--json")
    assert result.exit_code == 0, result.output
    assert "in use by another process" in json.loads(result.stdout)["mart_unknown_because"]


@pytest.mark.parametrize("command", [["report", "--lang", "de", "--fleet"], ["query", "SELECT 1", "--format", "xml"]])
def test_a_wrong_choice_is_told_in_words_of_the_commands(command):
    result = bionicpro(*command)
    assert result.exit_code == 2
    assert "is not one of" in result.output
    assert "Value error" not in result.output


def test_a_wrong_hour_is_said_before_dagster_is_imported(configured):
    """It takes seconds."""
    code = "import sys; from bionicpro_assets.cli.main import app; app(standalone_mode=False)"
    for command in ("materialize", "verify"):
        asked = [sys.executable, "-X", "importtime", "-c", code, command, "--from", "yesterday"]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        assert "'yesterday' is not an hour; write it like 2026-11-24T08:00" in done.stderr
        assert not re.search(r"\| +dagster$", done.stderr, re.MULTILINE)


def test_a_failed_run_shows_in_the_status(configured):
    bionicpro("init", "clickhouse")
    configured.in_telemetry("DROP VIEW telemetry.v_hourly_telemetry")
    bionicpro(*LOAD)
    assert "failure" in bionicpro("status").output


def test_ctrl_c_cancels_the_run_and_leaves_nothing_half_done(configured, tmp_path):
    """In the middle of a step: the source's table is locked, so that the run waits in it."""
    bionicpro("init", "clickhouse")
    assert bionicpro(*LOAD).exit_code == 0
    before = mart(tmp_path)
    configured.in_telemetry(
        "UPDATE telemetry.hourly_stats SET movements_count = movements_count + 1000, updated_at = now()"
    )
    with psycopg2.connect(configured.telemetry.url) as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLE telemetry.hourly_stats IN ACCESS EXCLUSIVE MODE")
        command = [Path(sys.executable).parent / "bionicpro", *LOAD]
        # A shell has its background jobs ignore Ctrl-C, and these tests may be in one.
        restored = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **restored
        ) as process:
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s"
            until("the run waits", 120, lambda: configured.in_crm(waiting, (other.info.dbname,)) != [(0,)])
            process.send_signal(signal.SIGINT)
            time.sleep(0.5)
            # A read that has begun ends before Python looks at the signal.
            other.rollback()
            said, _ = process.communicate(timeout=120)
    assert (process.returncode, said.splitlines()[-1]) == (130, "Stopped."), said
    assert "Exception" not in said
    assert "Interrupted" not in said
    newest, *_ = json.loads(bionicpro("status", "--json").stdout)["runs"]
    assert newest["status"] == "canceled"
    assert mart(tmp_path) in (before, configured.expected_mart(FIRST, OPEN))
    again = bionicpro(*LOAD)
    assert again.exit_code == 0, again.output
    assert mart(tmp_path) == configured.expected_mart(FIRST, OPEN) != before


def test_the_demo_refuses_to_touch_databases_that_are_configured(configured):
    result = bionicpro("demo")
    assert result.exit_code == 2
    assert "BIONICPRO_CRM_DB_URL" in result.output
    assert "the demo never touches configured databases" in result.output
    assert configured.in_crm("SELECT to_regnamespace('demo')") == [(None,)]


def test_a_mistake_of_the_crm_is_corrected_for_a_period_and_a_chip(configured, tmp_path):
    bionicpro("init", "clickhouse")
    configured.in_crm("UPDATE crm.prostheses SET updated_at = %s", (FIRST - timedelta(days=9),))
    assert bionicpro(*LOAD).exit_code == 0
    to_boris = (
        "UPDATE crm.prostheses SET customer_id = (SELECT customer_id FROM crm.customers WHERE external_id = 'boris')"
    )
    configured.in_crm(to_boris + ", updated_at = now() WHERE chip_id IN ('C1', 'C2')")
    second = f"{FIRST + timedelta(hours=1):%Y-%m-%dT%H:%M}"
    period = ["materialize", "--from", second, "--to", second]
    result = bionicpro(*period, "--wearers-as-of-now", "--chip", "C1")
    assert result.exit_code == 0, result.output
    assert "go to the wearers that the CRM names now, for the chips C1" in result.output
    assert "In these hours 1 rows have another wearer than was known before" in result.output
    assert bionicpro(*period).exit_code == 0
    whose = {(row[2], row[4]): row[0] for row in mart(tmp_path)}
    hour = (FIRST + timedelta(hours=1)).hour
    assert (whose["C1", FIRST.hour], whose["C1", hour], whose["C2", hour]) == ("anna", "boris", "anna"), "it stays so"


@pytest.mark.parametrize(
    ("options", "said", "status"),
    [
        (["--wearers-as-of-now"], "name them, with --from and --to", 2),
        ([*LOAD[1:3], "--wearers-as-of-now"], "name them, with --from and --to", 2),
        (["--chip", "C1"], "goes only with it", 2),
        # The run failed: it looked at the CRM.
        ([*LOAD[1:], "--wearers-as-of-now", "--chip", "C7"], "The CRM names no one wearer of C7", 1),
    ],
)
def test_a_correction_must_say_what_it_is_about(configured, options, said, status):
    bionicpro("init", "clickhouse")
    result = bionicpro("materialize", *options)
    assert result.exit_code == status
    assert said in " ".join(result.output.split())


def test_what_others_wrote_commands_no_terminal(capsys):
    clear, shown = "\x1b[2J\x9b2J", "␛[2J\ufffd2J"
    console.print(f"a {clear}")
    table(f"b {clear}", [f"c {clear}"], [[f"d {clear}"]])
    with pytest.raises(Failed):
        raise Failed(PlatformError(f"e {clear}\nand a line more"))
    said = capsys.readouterr()
    assert [f"{letter} {shown}" in said.out + said.err for letter in "abcde"] == [True] * 5
    assert not set("\x1b\x9b") & set(said.out + said.err)
    assert "\nand a line more" in said.err
