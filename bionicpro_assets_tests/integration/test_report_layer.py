"""The report layer on real sources: every number is what SQL on the sources gives, also where a day has 25 hours."""

import json
import random
import re
from collections import Counter
from collections.abc import Container, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster import serialize_value
from typer.testing import CliRunner, Result

from bionicpro_assets.cli.main import app
from bionicpro_assets.definitions import build_definitions
from bionicpro_assets.defs import keys
from bionicpro_assets.defs.metadata import PERSONAL
from bionicpro_assets.hours import HOUR
from bionicpro_assets.late.days_due import due_days
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.report.facts import find_facts
from bionicpro_assets.report.period import Period
from bionicpro_assets.runs import busy_hours, range_tags
from bionicpro_assets.settings import Settings
from bionicpro_assets.setup.clickhouse import apply_clickhouse_schema
from bionicpro_assets.sqlfiles import sql
from bionicpro_assets_tests.integration.conftest import configure, fresh_sources
from bionicpro_assets_tests.integration.pages import Parsed
from bionicpro_assets_tests.integration.platform import Platform
from bionicpro_assets_tests.integration.reporting import NAMES, USERS, Reporting, open_hour, reading

pytestmark = pytest.mark.filterwarnings("ignore")
# What the mart keeps of a real number is the nearest Float32.
CLOSE = 2e-6
PEOPLE = re.compile(r"Анна|Иванова|Петровна|anna|boris|clara|@")


@pytest.fixture(scope="module")
def made(postgres_server, tmp_path_factory) -> Iterator[tuple[Reporting, Platform, Path]]:
    """One for all tests of this file; loaded by the first."""
    folder = tmp_path_factory.mktemp("report layer")
    with fresh_sources(postgres_server) as sources, ClickHouse(f"chdb://{folder}/clickhouse") as clickhouse:
        apply_clickhouse_schema(clickhouse)
        reporting = Reporting.fill(sources)
        with Platform.open(sources, clickhouse) as platform:
            yield reporting, platform, folder


@pytest.fixture
def platform(made, clean_environment, monkeypatch) -> Platform:
    reporting, loaded, folder = made
    configure(monkeypatch, reporting.sources, folder)
    monkeypatch.setenv("BIONICPRO_ROLLUP", "external")
    monkeypatch.setenv("BIONICPRO_REPORT_TIMEZONE", reporting.zone)
    monkeypatch.setenv("BIONICPRO_PARTITIONS_START", f"{reporting.hours[0]:%Y-%m-%dT%H:%M}")
    monkeypatch.setenv("COLUMNS", "200")
    if not loaded.mart():
        loaded.load(reporting.hours[0], reporting.hours[-1])
    platform: Platform = loaded
    return platform


@pytest.fixture
def reporting(made) -> Reporting:
    found: Reporting = made[0]
    return found


def rows(clickhouse: ClickHouse, query: str) -> list[tuple[Any, ...]]:
    zone = {"session_timezone": Settings.load().report_timezone}
    return [tuple(row) for row in clickhouse.rows(query, settings=zone)[1]]


def close(found: list[tuple[Any, ...]], expected: list[tuple[Any, ...]], **tolerance: Any) -> None:
    assert len(found) == len(expected) > 0
    for row, wanted in zip(found, expected, strict=True):
        near = [pytest.approx(v, **(tolerance or {"rel": CLOSE})) if isinstance(v, float) else v for v in wanted]
        assert list(row) == near


def daily(platform: Platform, reporting: Reporting) -> None:
    """Every row of the day is what the sources give."""
    names = ", ".join(NAMES)
    found = rows(
        platform.clickhouse,
        f"SELECT user_id, prosthesis_id, report_date, {names} FROM reports.user_daily_stats ORDER BY 1, 2, 3",
    )
    close(found, reporting.ask("user_id, prosthesis_id, day"))


def test_every_day_is_what_the_sources_give(platform, reporting):
    daily(platform, reporting)
    ((hours,),) = rows(
        platform.clickhouse,
        f"SELECT hours_active FROM reports.user_daily_stats WHERE report_date = '{reporting.day}' AND prosthesis_id = "
        f"{reporting.chips['C1']}",
    )
    assert hours == 25


def test_the_views_of_the_report_service_are_what_the_sources_give(platform, reporting):
    names = ", ".join(NAMES)
    found = rows(
        platform.clickhouse,
        f"SELECT user_id, report_date, prosthesis_id, {names} FROM reports.v_user_report ORDER BY 1, 2, 3",
    )
    close(found, reporting.ask("user_id, day, prosthesis_id"), abs=0.00501)
    found = rows(
        platform.clickhouse,
        f"SELECT user_id, prostheses, days_active, {names} FROM reports.v_user_summary ORDER BY 1",
    )
    expected = [
        (user, len(chips), len(reporting.ask("day", f"user_id = '{user}'")), *reporting.ask("user_id", f"user_id = '{user}'")[0][1:])
        for user, chips in sorted(USERS.items())
    ]  # fmt: skip
    close(found, expected, abs=0.00501)
    people = rows(
        platform.clickhouse, "SELECT customer_name, first_date, last_date FROM reports.v_user_summary ORDER BY user_id"
    )
    assert people[0] == ("Иванова Анна Петровна", reporting.first, reporting.last)


def test_hours_that_are_loaded_again_in_any_order_are_in_it_at_once(platform, reporting):
    dice = random.Random(3)
    reporting.put(reading(dice, chip, hour) for hour in reporting.hours[20:40:4] for chip in ("C1", "C3"))
    reporting.sources.in_telemetry("DELETE FROM telemetry.hourly_stats WHERE hour_start = %s", (reporting.hours[24],))
    platform.load(reporting.hours[32], reporting.hours[39])
    platform.load(reporting.hours[18], reporting.hours[33])
    daily(platform, reporting)
    # The day's sums are the mart's, whatever publications are beneath.
    counts = "SELECT sum(movements_count), sum(error_count) FROM reports."
    of_days, of_hours = (
        rows(platform.clickhouse, counts + name) for name in ("user_daily_stats", "user_prosthesis_stats")
    )
    assert of_days == of_hours


def test_the_monitoring_queries_are_views_that_answer_the_same(platform, reporting):
    hour = open_hour()
    reporting.sources.add_hour("C3", hour, movements_count=41)
    platform.load(hour, hour)
    for view, columns, query in (
        ("v_today_by_user", "*", "monitor_today_by_user"),
        ("v_last_days", "report_date, users, total_movements, avg_response", "monitor_last_days"),
    ):
        found = rows(platform.clickhouse, f"SELECT {columns} FROM reports.{view}")
        assert found == rows(platform.clickhouse, sql(f"clickhouse/queries/{query}.sql"))
        assert found
    weighted = rows(
        platform.clickhouse,
        f"SELECT report_date, success_rate, avg_response_time FROM reports.v_last_days WHERE report_date <= '{reporting.last}' ORDER BY 1",
    )
    expected = reporting.ask("day", f"day <= '{reporting.last}'")
    close(weighted, [(row[0], row[4], row[5]) for row in expected])


def test_every_column_says_what_it_is(platform):
    found = rows(
        platform.clickhouse,
        "SELECT table, name, comment FROM system.columns WHERE database = 'reports' AND table != 'user_prosthesis_stats'",
    )
    assert {table for table, _, _ in found} == {
        "user_daily_stats", "v_user_report", "v_user_summary", "v_today_by_user", "v_last_days",
    }  # fmt: skip
    assert [column for column in found if len(column[2]) < 9] == []
    about = rows(
        platform.clickhouse, "SELECT name, comment FROM system.tables WHERE database = 'reports' AND name LIKE 'v_%'"
    )
    assert all(len(comment) > 20 for _, comment in about)


def bionicpro(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.fixture
def command(platform) -> Iterator[None]:
    """The engine serves one client of a process at a time."""
    platform.clickhouse.close()
    yield
    platform.clickhouse.close()


def number(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def in_english(day: date) -> str:
    return f"{day.day} {day:%b} {day.year}"


def model_of(reporting: Reporting, prosthesis: int) -> str:
    """What a page calls a prosthesis."""
    ((model, serial),) = reporting.sources.in_crm(
        "SELECT model_name, serial_number FROM crm.prostheses JOIN crm.prosthesis_models USING (model_id) "
        "WHERE prosthesis_id = %s",
        (prosthesis,),
    )
    return f"{model}, {serial}"


def hours_of(reporting: Reporting, days: Container[date], since: int = 0) -> Counter[int]:
    """How many hours of these days have each hour of the clock."""
    local = [hour.astimezone(ZoneInfo(reporting.zone)) for hour in reporting.hours[since:]]
    return Counter(hour.hour for hour in local if hour.date() in days)


@pytest.mark.parametrize("user", ["anna", "boris", ""])
def test_every_number_of_a_page_is_what_the_sources_give(platform, reporting, command, tmp_path, user):
    out, days = tmp_path / "page.html", ["--from", str(reporting.first), "--to", str(reporting.last)]
    result = bionicpro("report", *(("--user", user) if user else ("--fleet",)), *days, "--out", str(out))
    assert result.exit_code == 0, result.output
    page = Parsed.of(out.read_text(encoding="utf-8"))

    where = f"(user_id = '{user}' OR '{user}' = '') AND day <= '{reporting.last}'"
    units = [row[0] for row in reporting.ask("prosthesis_id", where)]
    # Of two prostheses of a patient, each has charts of its own.
    panels = (
        {f": {model_of(reporting, unit)}": f"{where} AND prosthesis_id = {unit}" for unit in units}
        if user == "anna"
        else {"": where}
    )
    for suffix, where_ in panels.items():
        by_day = {row[0]: dict(zip(NAMES, row[1:], strict=True)) for row in reporting.ask("day", where_)}
        labels = [in_english(day) for day in by_day]
        expected = {
            "Movements by day": [
                [number(d["successful_movements"]), number(d["movements_count"] - d["successful_movements"])] for d in by_day.values()
            ],
            "Success rate by day": [[number(d["success_rate"], 1)] for d in by_day.values()],
            "Response time by day": [[number(d["avg_response_time"], 1)] for d in by_day.values()],
            "Battery by day": [[number(d["avg_battery_level"], 1), number(d["min_battery_level"])] for d in by_day.values()],
            "Errors by day": [[number(d["error_count"]), number(d["warning_count"])] for d in by_day.values()],
        }  # fmt: skip
        if user:
            expected["Hours in use by day"] = [[number(d["hours_active"])] for d in by_day.values()]
            assert all(d["hours_active"] <= 25 for d in by_day.values())
        else:
            counted = reporting.ask("day", where_, "count(DISTINCT prosthesis_id), count(DISTINCT prosthesis_id) FILTER (WHERE min_battery_level < 10)")  # fmt: skip
            expected["Prostheses in use by day"] = [[number(n), number(low)] for _, n, low in counted]
        for title, cells in expected.items():
            assert page.tables[title + suffix][1:] == [
                [label, *row] for label, row in zip(labels, cells, strict=True)
            ], title
        moved = dict(reporting.ask("hour", where_, "sum(movements_count)::int"))
        assert page.tables["Movements by hour of the day" + suffix][1:] == [
            [f"{h:02d}:00–{h + 1:02d}:00", number(moved.get(h, 0) / n, 1)]
            for h, n in sorted(hours_of(reporting, by_day).items())
        ]
        best = max(by_day, key=lambda day: by_day[day]["movements_count"])
        mean = sum(d["movements_count"] for d in by_day.values()) / len(by_day)
        assert (
            f"Most on {in_english(best)}: {number(by_day[best]['movements_count'])}. On average {number(mean)} on"
            in page.text
        )

    total = dict(zip(NAMES, reporting.ask("day IS NULL", where)[0][1:], strict=True))
    if user == "anna":
        # Of two prostheses, movements and errors are added up; all else is told of each, the one with fewer errors last.
        assert [value for value, _ in page.every_tile[:2]] == [
            number(total["movements_count"]),
            number(total["error_count"]),
        ]
        totals = [dict(zip(NAMES, row[1:], strict=True)) for row in reporting.ask("prosthesis_id", where)]
        total = min(totals, key=lambda found: found["error_count"])
    assert page.tiles["Movements"][0] == number(total["movements_count"])
    assert page.tiles["Success rate"][0] == f"{number(total['success_rate'], 1)}\xa0%"
    assert page.tiles["Response time"][0] == f"{number(total['avg_response_time'])}\xa0ms"
    assert page.tiles["Hours in use"][0] == number(total["hours_active"])
    assert page.tiles["Battery"] == (
        f"{number(total['avg_battery_level'])}\xa0%",
        f"lowest {number(total['min_battery_level'])}\xa0%",
    )
    assert page.tiles["Errors"][0] == number(total["error_count"])

    per_unit = {str(row[0]): dict(zip(NAMES, row[1:], strict=True)) for row in reporting.ask("prosthesis_id", where)}
    listed = {
        row[0]: dict(zip(page.tables["Prostheses"][0], row, strict=True)) for row in page.tables["Prostheses"][1:]
    }
    assert set(listed) == set(per_unit)
    for unit, row in listed.items():
        wanted = per_unit[unit]
        assert row["Movements"] == number(wanted["movements_count"])
        assert row["Errors"] == number(wanted["error_count"])
        assert row["Success"] == (
            "not measured" if wanted["success_rate"] is None else f"{number(wanted['success_rate'], 1)}\xa0%"
        )
    assert ("Иванова Анна Петровна" in page.text) == bool(user)
    assert bool(PEOPLE.search(page.text)) == bool(user)


@pytest.mark.parametrize("user", ["boris", ""])
def test_days_that_were_not_loaded_whole_are_in_no_mean_and_no_extreme(
    platform, reporting, command, tmp_path, user, monkeypatch
):
    """The first day has five hours that were never asked for; it has the most movements, all the same."""
    monkeypatch.setenv("BIONICPRO_PARTITIONS_START", f"{reporting.hours[5]:%Y-%m-%dT%H:%M}")
    out, days = tmp_path / "page.html", ["--from", str(reporting.first), "--to", str(reporting.last)]
    result = bionicpro("report", *(("--user", user) if user else ("--fleet",)), *days, "--out", str(out))
    assert result.exit_code == 0, result.output
    page = Parsed.of(out.read_text(encoding="utf-8"))
    where = f"(user_id = '{user}' OR '{user}' = '') AND day <= '{reporting.last}'"
    moved = reporting.ask("day", where, "sum(movements_count)::int, count(*)::int")
    (_, *whole) = moved
    assert [day for day, *_ in whole] == [reporting.day, reporting.last]
    best, most, _ = max(whole, key=lambda row: row[1])
    mean, hours = sum(row[1] for row in whole) / 2, sum(row[2] for row in whole) / 2
    assert (
        f"Most on {in_english(best)}: {number(most)}. On average {number(mean)} on a complete day with telemetry. "
        "What is not complete is left out."
    ) in " ".join(page.text.split())
    assert page.tiles["Movements"] == (
        number(sum(row[1] for row in moved)), f"{number(mean)} on a complete day with telemetry"
    )  # fmt: skip
    if user:
        assert page.tiles["Hours in use"][1] == f"{number(hours, 1)} h on a complete day with telemetry"
    # An hour of the clock has as many hours as were asked for: two or three, and a fourth where it was repeated.
    first = f"NOT (day = '{reporting.first}' AND hour < 5)"
    by_hour = dict(reporting.ask("hour", f"{where} AND {first}", "sum(movements_count)::int"))
    counts = hours_of(reporting, {day for day, *_ in moved}, since=5)
    assert counts[0] == 2
    assert page.tables["Movements by hour of the day"][1:] == [
        [f"{h:02d}:00–{h + 1:02d}:00", number(by_hour.get(h, 0) / counts[h], 1)] for h in range(24)
    ]


def test_a_page_needs_nothing_else_and_is_its_owners_alone(platform, reporting, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = bionicpro(
        "report", "--user", "anna", "--from", str(reporting.first), "--to", str(reporting.last), "--lang", "ru"
    )
    assert result.exit_code == 0, result.output
    assert list(tmp_path.glob("*.html")) == []
    (file,) = (Settings.load().home / "reports").iterdir()
    assert file.name == f"report-anna-55579b557896d0ce-{reporting.first}-{reporting.last}-ru.html"
    assert str(file) in result.stdout
    assert file.stat().st_mode & 0o777 == 0o600
    html = file.read_text(encoding="utf-8")
    page = Parsed.of(html)
    assert page.fetched == []
    assert '<html lang="ru">' in html
    assert len(html.encode()) < 460_000
    assert len(page.ids) == len(set(page.ids))
    assert len(page.svgs) == 2 * 8 * 2, "eight charts, wide and narrow, of each of two prostheses"
    again = bionicpro(
        "report", "--user", "anna", "--from", str(reporting.day), "--to", str(reporting.day), "--out", "-"
    )
    assert Parsed.of(again.stdout).tiles["Hours in use"]
    assert again.stdout.startswith("<!DOCTYPE html>")
    assert again.stdout.endswith("</html>")
    for names in page.svgs:
        assert set(names.split()) <= set(page.ids)
    assert "Загружены все завершившиеся часы периода: 73 часа" in page.text


def test_what_is_missing_or_uncertain_is_said(platform, reporting, command, tmp_path, monkeypatch):
    out = tmp_path / "page.html"
    days = ["--from", str(reporting.first - timedelta(days=1)), "--to", str(reporting.last)]

    def said(*who: str) -> str:
        assert bionicpro("report", *who, *days, "--out", str(out)).exit_code == 0
        return Parsed.of(out.read_text(encoding="utf-8")).text

    assert "Set aside, and in no report: 2 rows of telemetry" in said("--fleet")
    dora = said("--user", "dora")
    assert "more successful movements than movements): 1" in dora
    assert "the CRM doesn't know the chip" not in dora
    # Loaded long after: the CRM names the wearers of now.
    assert "Taken for granted: of 1 row the CRM did not name the wearer" in dora
    settings = Settings.load()
    midnight = datetime.combine(
        reporting.first - timedelta(days=1), datetime.min.time(), ZoneInfo(settings.report_timezone)
    )
    before = (settings.partitions_start - midnight) // HOUR
    assert f"Not loaded here: {before} hours of the period, those before" in dora
    assert "All 73 hours from then on that have ended were loaded." in dora
    monkeypatch.setenv("BIONICPRO_PARTITIONS_START", f"{reporting.hours[0] - 5 * HOUR:%Y-%m-%dT%H:%M}")
    boris = said("--user", "boris")
    assert "No telemetry was set aside." in boris
    assert "Never loaded: 5 hours of 78 hours of the period that have ended." in boris
    assert "Grey: hours were never loaded" in boris


def test_days_that_are_no_longer_kept_are_named_and_counted_by_nobody(clickhouse):
    """The journal has their hours for good, so that alone they would all be loaded."""
    today = datetime.now(UTC).date()
    first, kept = today - timedelta(days=370), today - timedelta(days=364)
    since = int(datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp())
    clickhouse.command(
        "INSERT INTO storage.publications (table_name, hour_start, publication, source_read_at, started_at, row_count) "
        f"SELECT 'reports.user_prosthesis_stats', toDateTime({since} + 3600 * number, 'UTC') AS hour, number + 1, "
        f"hour + 7200, hour + 7200, 5 FROM numbers({24 * 10})"
    )
    period = Period(first, first + timedelta(days=9), "UTC")
    start = datetime.fromtimestamp(since, UTC)
    quality = find_facts(clickhouse, period, start=start, now=datetime.now(UTC)).quality
    assert quality.dropped == [first + timedelta(days=n) for n in range(6)]
    assert max(quality.dropped) + timedelta(days=1) == kept
    assert (quality.hours, list(quality.missing), list(quality.unfinished)) == (24 * 4, [], [])
    later = find_facts(clickhouse, Period(kept, kept, "UTC"), start=start, now=datetime.now(UTC)).quality
    assert (later.hours, list(later.dropped)) == (24, [])
    _, ((hours, newest, _, row_count),) = clickhouse.rows(
        sql("clickhouse/queries/freshness.sql"), {"table_name": "reports.user_prosthesis_stats"}
    )
    assert (hours, row_count, newest) == (24 * 4, 5 * 24 * 4, since + 3600 * (24 * 10 - 1))
    _, ((_, hours, row_count, *_),) = clickhouse.rows(sql("clickhouse/queries/metrics_tables.sql"))
    assert (hours, row_count) == (24 * 4, 5 * 24 * 4)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Name a patient by --user, or take all prostheses by --fleet"),
        (("--user", "anna", "--fleet"), "one of the two"),
        (("--user", "nobody' OR 1=1 --"), "Nobody with the login \"nobody' OR 1=1 --\" is in the reports"),
        (("--user", "anna", "--from", "2026-02-30"), "'2026-02-30' is not a day; write it like 2026-11-24."),
        (("--user", "anna", "--from", "20261101"), "is not a day"),
        (("--fleet", "--from", "2026-06-02", "--to", "2026-06-01"), "--from 2026-06-02 is after --to 2026-06-01."),
        (("--fleet", "--from", "2990-01-01", "--to", "2990-01-02"), "2990-01-01 hasn't begun"),
        (("--fleet", "--from", "2001-01-01"), "more than 366 days"),
        (("--user", "boris", "--from", "2001-01-01", "--to", "2001-01-31"), "There is no telemetry of boris from 2001-01-01"),
        (("--fleet", "--from", "{day}", "--to", "{day}", "--out", "/nowhere/page.html"), "/nowhere/page.html can't be written: No such file"),
        (("--fleet", "--from", "{day}", "--to", "{day}", "--out", "/dev/stdout"), "/dev/stdout can't be written: it isn't a regular file"),
    ],
)  # fmt: skip
def test_what_can_not_be_told_is_said(platform, reporting, command, arguments, said):
    result = bionicpro("report", *(a.format(day=reporting.day) for a in arguments))
    assert result.exit_code == 2
    assert said in result.output


def test_a_page_never_names_the_hours_of_another_time_zone(platform, reporting, command, monkeypatch):
    """Rows keep the zone that they were loaded in, until they are loaded again."""
    monkeypatch.setenv("BIONICPRO_REPORT_TIMEZONE", "Pacific/Marquesas")
    result = bionicpro("report", "--fleet", "--from", str(reporting.day), "--to", str(reporting.day))
    assert result.exit_code == 2
    assert "have the date and hour of another time zone than Pacific/Marquesas" in " ".join(result.output.split())


def job(platform: Platform, first: date, last: date) -> dg.ExecuteInProcessResult:
    return (
        build_definitions(Settings.load(), retries=False)
        .resolve_job_def(keys.DAILY_JOB)
        .execute_in_process(
            instance=platform.instance, tags=range_tags(str(first), str(last), priority=-1), raise_on_error=False
        )
    )


def test_a_day_is_told_once_it_is_over_and_again_when_hours_of_it_are_loaded(platform, reporting, made):
    settings, days = Settings.load(), [reporting.first, reporting.day]
    now = reporting.hours[-1] + 30 * HOUR
    due = due_days(platform.instance, settings, now)
    assert due[:2] == days
    result = job(platform, *days[:2])
    assert result.success
    assert busy_hours(platform.instance) == set()
    told = {
        (m.asset_key, m.partition): {label: entry.value for label, entry in m.metadata.items()}
        for event in result.all_events
        if event.is_step_materialization and (m := event.step_materialization_data.materialization)
    }
    assert {partition for _, partition in told} == set(map(str, days))
    for day, *row in reporting.ask("day", f"day <= '{reporting.day}'"):
        expected, metadata = dict(zip(NAMES, row, strict=True)), told[keys.USER_DAILY, str(day)]
        assert metadata["movements"] == expected["movements_count"]
        assert metadata["prosthesis_hours"] == expected["hours_active"]
        assert metadata["success_rate_percent"] == pytest.approx(expected["success_rate"], abs=0.00501)
        assert metadata["response_time_ms"] == pytest.approx(expected["avg_response_time"], abs=0.00501)
        assert metadata["battery_percent"] == pytest.approx(expected["avg_battery_level"], abs=0.00501)
        assert metadata["errors"] == expected["error_count"]
        assert metadata["missing_hours"] == 0
        assert metadata["unfinished_hours"] == 0
        assert metadata["rejected_rows"] == (2 if day == reporting.day else 0)
        assert 5_000 < len(metadata["picture"]) < 60_000
        assert metadata["picture"].startswith("![")
    pages = Path(told[keys.FLEET_REPORT, str(days[-1])]["page_en"]).parent
    assert (pages / "fleet-latest-en.html").read_text() == (pages / f"fleet-{days[-1]}-en.html").read_text()
    assert Path(told[keys.FLEET_REPORT, str(days[1])]["page_ru"]).stat().st_mode & 0o777 == 0o600
    assert not PEOPLE.search(Parsed.of((pages / "fleet-latest-en.html").read_text(encoding="utf-8")).text)
    events = json.dumps([serialize_value(e) for e in platform.instance.all_logs(result.run_id)], ensure_ascii=False)
    assert not re.search(r"Иванова|Анна|boris|clara|example\.org|postgresql://", events)
    assert [e for e in result.get_asset_check_evaluations() if not e.passed] == []
    assert {e.partition for e in result.get_asset_check_evaluations()} == {None, *map(str, days)}

    assert not set(due_days(platform.instance, settings, now)) & set(days)
    platform.load(reporting.hours[0], reporting.hours[0])
    again = [day for day in due_days(platform.instance, settings, now) if day in days]
    # The second day's own hours are as they were told, but its page has the first one, too.
    assert again == days
    lineage = told[keys.USER_DAILY, str(days[0])]["dagster/column_lineage"].deps_by_column
    schema = told[keys.USER_DAILY, str(days[0])]["dagster/column_schema"].columns
    assert set(lineage) == {c.name for c in schema} > PERSONAL & {"user_id", "customer_name"}


def test_a_day_that_has_not_begun_is_refused(platform, reporting):
    tomorrow = (datetime.now(UTC) + timedelta(days=3)).date()
    result = job(platform, tomorrow, tomorrow)
    (failure,) = [e for e in result.all_events if e.is_step_failure][:1]
    assert "hasn't begun" in failure.step_failure_data.user_failure_data.description
