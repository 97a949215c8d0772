"""What a newcomer does, by the installed command in an empty folder: the demo, and then every command of the documents."""

import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bionicpro_assets.cli.console import COLUMNS_OF_A_FILE, console
from bionicpro_assets.cli.main import app
from bionicpro_assets.cli.query import ask as query
from bionicpro_assets.cli.query import asked
from bionicpro_assets.databases import clickhouse_of, telemetry_of
from bionicpro_assets.hours import HOUR, floor_hour
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.write import arrow_stream
from bionicpro_assets.settings import Settings
from bionicpro_assets.setup.embedded import sources_running
from bionicpro_assets_tests.e2e.documents import (
    DOCUMENTS,
    LANGUAGES,
    ROOT,
    Command,
    blocks,
    commands,
    queries,
    words,
)
from bionicpro_assets_tests.e2e.left_out import LEFT_OUT, STATEMENTS_LEFT_OUT
from bionicpro_assets_tests.e2e.upping import environment, free_port, until
from bionicpro_assets_tests.folders import folder_for_postgres
from bionicpro_assets_tests.integration.sources import execute
from bionicpro_assets_tests.integration.test_compare import CONTRACT, NAMES

BIONICPRO = Path(sys.executable).parent / "bionicpro"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with folder_for_postgres() as made:
        yield made


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BIONICPRO, *arguments],
        cwd=folder,
        env=environment() | {"COLUMNS": "160"},
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
    """`make demo`, as it stands in the README: what the Makefile has for it."""
    (recipe,) = re.findall(r"^demo:[^\n]*\n\t\$\(BIN\)/bionicpro (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    result = run(folder, *recipe.split())
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
        "Open warnings, also in the UI under Catalog.",
        "! every_chip_known: ",
        "(24 hours) aren't loaded: the dialog for a backfill in the UI offers them as missing.",
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
    assert [r["user_id"] for r in rows] == ["user_0001"] * (len(rows) - 2) + ["user_0007"] * 2
    assert {r["ownership"] for r in rows} == {"named"}
    assert ask(folder, "SELECT DISTINCT chip_id FROM quarantine.rejected_telemetry WHERE no_wearer") == [
        {"chip_id": "CHIP-UNKNOWN-1"}
    ]


def test_four_weeks_are_there_and_all_hours_but_the_first_days_are_loaded(demo, folder):
    (found,) = ask(
        folder,
        "SELECT uniqExact(report_date) AS days, uniqExact(report_date, report_hour) AS hours FROM reports.user_prosthesis_stats",
    )
    # 28 days of 24 hours, the last one's open hour, and somebody wears a prosthesis in nearly every one.
    assert found["days"] in (28, 29, 30)
    assert 0.8 * 673 < found["hours"] <= 674


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
    assert run(folder, "demo").returncode == 0
    after = ask(
        folder,
        "SELECT user_id, movements_count FROM reports.user_prosthesis_stats WHERE report_hour = (SELECT min(report_hour) FROM reports.user_prosthesis_stats) ORDER BY 1, 2",
    )
    assert before == after


def test_a_second_demo_says_where_the_first_is(demo, folder):
    second = run(folder, "demo", "--home", "other", "--hours", "1", "--prostheses", "3", "--days", "0")
    assert second.returncode == 0, second.stderr
    assert "those of the demo in .bionicpro; it stays" in second.stdout
    assert "--env-file .bionicpro/demo.env" in second.stdout
    count = ("query", "SELECT count() FROM reports.user_prosthesis_stats")
    first = run(folder, "--env-file", ".bionicpro/demo.env", *count)
    assert int(first.stdout) > int(run(folder, *count).stdout) > 0
    # For the tests that follow, it is the first one's again.
    assert run(folder, "demo").returncode == 0


def test_settings_of_ones_own_are_left_alone():
    with folder_for_postgres() as other:
        (other / ".env").write_text("ETL_LOOKBACK_HOURS=3\n")
        result = run(other, "demo", "--hours", "1", "--prostheses", "3", "--days", "0")
        assert result.returncode == 0, result.stdout + result.stderr
        assert (other / ".env").read_text() == "ETL_LOOKBACK_HOURS=3\n"
    assert "--env-file .bionicpro/demo.env" in result.stdout


def test_without_settings_a_command_says_what_is_missing(tmp_path):
    result = run(tmp_path, "status")
    assert result.returncode == 2
    assert "BIONICPRO_CLICKHOUSE_URL: is not set" in result.stderr
    assert "Traceback" not in result.stderr


# From here on: what the documents say, on the demo.

SAID = [command for document in DOCUMENTS for command in commands(document)]
# A command that stands in several places counts as where its output is shown.
EVERY = {command.text: command for command in sorted(SAID, key=lambda c: len(c.output))}
GIVEN = [command for text, command in EVERY.items() if not any(out.fits(command) for out in LEFT_OUT)]
STATEMENTS = {statement.text for document in DOCUMENTS for statement in queries(document)} - STATEMENTS_LEFT_OUT
AIRFLOW = "airflow.user_prosthesis_stats"
COMPARED = f"bionicpro compare --with {AIRFLOW} --from 2026-11-20"
OF_THE_MOVE = ["bionicpro init clickhouse", "bionicpro materialize --from …", COMPARED, "bionicpro verify"]
# The DAG's table, filled as it should have been.
LIKE_THE_MART = f"AS SELECT {', '.join(NAMES)} FROM reports.user_prosthesis_stats"


@pytest.fixture
def there(demo, folder: Path, clean_environment, monkeypatch) -> Path:
    """In the demo's folder, where its settings are."""
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="module")
def another_mart(demo, folder) -> None:
    with ClickHouse(f"chdb://{folder}/.bionicpro/clickhouse") as clickhouse:
        clickhouse.command("CREATE DATABASE airflow")
        clickhouse.command(f"CREATE TABLE {AIRFLOW} ENGINE = MergeTree ORDER BY user_id {LIKE_THE_MART}")


def filled_in(command: Command) -> list[str]:
    """Its words, with the demo's hours, days and chip where the document has others, or an ellipsis."""
    spoken, now = words(command), floor_hour(datetime.now(UTC))
    form = "%Y-%m-%d" if {"report", "compare"} & set(spoken) else "%Y-%m-%dT%H:%M"
    theirs = {"--from": f"{now - 6 * HOUR:{form}}", "--to": f"{now - 2 * HOUR:{form}}", "--chip": "CHIP-000001"}
    for option, value in theirs.items():
        if option in spoken:
            spoken[spoken.index(option) + 1] = value
    assert "…" not in " ".join(spoken)
    return spoken


def give(command: Command, monkeypatch: pytest.MonkeyPatch) -> Result:
    spoken = filled_in(command)
    while "=" in spoken[0]:
        monkeypatch.setenv(*spoken.pop(0).split("=", 1))
    # As where no test runner says how wide the terminal is.
    monkeypatch.setattr(console, "width", COLUMNS_OF_A_FILE)
    into = spoken.index(">") if ">" in spoken else len(spoken)
    result = CliRunner().invoke(app, spoken[1:into])
    for name in spoken[into + 1 :]:
        Path(name).write_bytes(result.stdout_bytes)
    return result


# Run by the tests that look at what they did.
ELSEWHERE = {*OF_THE_MOVE[:3], "bionicpro materialize"}
# Each once, and last what gives hours to other wearers.
ON_THE_DEMO = {tuple(filled_in(c)): c for c in GIVEN if c.program == "bionicpro" and c.text not in ELSEWHERE}


@pytest.mark.parametrize(
    "command", sorted(ON_THE_DEMO.values(), key=lambda c: "as-of-now" in str(c)), ids=lambda c: c.text
)
def test_every_command_does_what_the_documents_say(command, there, another_mart, monkeypatch):
    result = give(command, monkeypatch)
    assert result.exit_code == 0, result.output
    assert command.prints(result.output) is None, result.output


@pytest.mark.parametrize("command", [c for c in GIVEN if c.program != "bionicpro"], ids=lambda c: c.text)
def test_every_tool_that_is_called_is_there(command, monkeypatch):
    """These run for minutes, or are the tests themselves: what they would do, and that their files and options exist."""
    monkeypatch.chdir(ROOT)
    spoken = [word for word in words(command) if not re.match("[A-Z_]+=", word) or command.program == "make"]
    if command.program == "make":
        target = [word for word in spoken if word != "SCREENSHOTS=docs/images"]
        assert subprocess.run([*target, "--dry-run"], capture_output=True, check=False).returncode == 0
        return
    assert command.program in ("python", "pytest")
    named = [word.replace(".", "/") + ".py" for before, word in pairwise(spoken) if before == "-m"]
    named += [word for word in spoken if "/" in word] or ["bionicpro_assets_tests"][: command.program == "pytest"]
    assert named
    assert [name for name in named if not Path(name).exists()] == []
    options = [word for word in spoken if word.startswith("--")]
    assert [o for o in options if o not in Path(named[0]).read_text(encoding="utf-8")] == []


def test_every_statement_of_the_documents_is_taken(there):
    settings, moving = Settings.load(), {s.text for s in queries("README.md") if AIRFLOW in s.text or "DROP" in s.text}
    taken = STATEMENTS - moving - {"CREATE DATABASE airflow"}
    questions = {statement for statement in taken if statement.startswith("SELECT")}
    with sources_running(settings):
        with clickhouse_of(settings) as clickhouse:
            for statement in taken - questions:
                if "CONCURRENTLY" in statement:
                    execute(telemetry_of(settings).url, statement, autocommit=True)
                else:
                    clickhouse.command(statement)
        with asked(settings) as clickhouse:
            for statement in questions:
                query(clickhouse, statement)


def test_moving_over_from_the_dag_and_back(there, tmp_path, monkeypatch):
    """The README's steps in their order, on a ClickHouse in which the DAG has loaded every hour twice."""
    monkeypatch.setenv("BIONICPRO_CLICKHOUSE_URL", f"chdb://{tmp_path}/clickhouse")
    with ClickHouse(f"chdb://{there}/.bionicpro/clickhouse") as clickhouse:
        rows = clickhouse.frame(f"SELECT {', '.join(NAMES)} FROM reports.user_prosthesis_stats")
    theirs = Settings.load()

    def sql(statement: str) -> None:
        assert statement in STATEMENTS
        with clickhouse_of(theirs) as clickhouse:
            clickhouse.command(statement)

    def count(table: str) -> int:
        with clickhouse_of(theirs) as clickhouse:
            return int(clickhouse.rows(f"SELECT count() FROM {table}")[1][0][0])

    with clickhouse_of(theirs) as clickhouse:
        clickhouse.command("CREATE DATABASE reports")
        clickhouse.command(
            f"CREATE TABLE reports.user_prosthesis_stats ({CONTRACT}) ENGINE = MergeTree ORDER BY user_id"
        )
        for _ in range(2):
            clickhouse.insert_arrow_stream("reports.user_prosthesis_stats", NAMES, arrow_stream(rows, len(rows)))
    sql("CREATE DATABASE airflow")
    sql(f"RENAME TABLE reports.user_prosthesis_stats TO {AIRFLOW}")
    said = {}
    for step in OF_THE_MOVE:
        result = give(EVERY[step], monkeypatch)
        assert result.exit_code == (step == COMPARED), result.output
        said[step] = result.output
    assert re.search(r"\d+ +doubled", said[COMPARED]), said[COMPARED]
    sql("DROP VIEW reports.user_prosthesis_stats")
    with clickhouse_of(theirs) as clickhouse:
        clickhouse.command(f"RENAME TABLE {AIRFLOW} TO reports.user_prosthesis_stats")
    assert count("reports.user_prosthesis_stats") == 2 * len(rows)


def test_the_settings_of_the_documents_are_valid(clean_environment, monkeypatch):
    found = [block for document in DOCUMENTS for block in blocks(document) if block.language == "ini"]
    assert len(found) > 1
    for block in found:
        for line in block.lines:
            monkeypatch.setenv(*line.replace("…", "secret").split("=", 1))
    assert Settings.load().rollup == "external"


def test_metrics_are_answered_until_it_is_stopped(demo, folder):
    port = free_port()
    process = subprocess.Popen([BIONICPRO, "metrics", "--port", str(port)], cwd=folder, env=environment())
    try:
        found = until("metrics", 60, lambda: scrape(port))
    finally:
        process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert "bionicpro_" in found


def scrape(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            return str(answer.read(), "utf-8")
    except OSError:
        return ""


def test_nothing_is_left_out_without_a_reason():
    assert {block.language for document in DOCUMENTS for block in blocks(document)} <= LANGUAGES
    for out in LEFT_OUT:
        assert any(out.fits(command) for command in EVERY.values()), f"no document says {out.pattern}"
        assert out.evidence in (ROOT / out.test).read_text(encoding="utf-8"), out
    assert len(GIVEN) > 50


@pytest.mark.parametrize("document", [name for name in DOCUMENTS if name.endswith(".ru.md")])
def test_both_languages_give_the_same_commands(document):
    for what in (commands, queries):
        english, russian = what(document.replace(".ru.md", ".md")), what(document)
        assert [(c.text, c.output) for c in english] == [(c.text, c.output) for c in russian]
