"""What `bionicpro doctor` finds, and what it says of it."""

import json
import re
import sys
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.errors import SensorExecutionError, user_code_error_boundary
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._daemon.types import DaemonHeartbeat
from dagster._utils.error import serializable_error_info_from_exc_info

from bionicpro_assets.defs import keys
from bionicpro_assets.doctor import mart
from bionicpro_assets.doctor.finding import clock, looked_at
from bionicpro_assets.doctor.mart import examine_clickhouse
from bionicpro_assets.doctor.orchestration import examine_dagster
from bionicpro_assets.doctor.sources import examine_crm, examine_telemetry
from bionicpro_assets.doctor.zone import examine_zone
from bionicpro_assets.errors import PlatformError
from bionicpro_assets.extract.postgres import PostgresSource
from bionicpro_assets.hours import floor_hour
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.quality.daily import evaluate_days
from bionicpro_assets.report.facts import find_facts
from bionicpro_assets.report.page import render
from bionicpro_assets.report.period import Period
from bionicpro_assets.settings import Settings
from bionicpro_assets_tests.integration.platform import Platform
from bionicpro_assets_tests.integration.sources import as_user, execute, reader_of
from bionicpro_assets_tests.integration.test_postgres_storage import storage_away

OPEN = floor_hour(datetime.now(UTC))


def wrong(findings) -> list[str]:
    return [f"{f.subject} {f.state}: {f.says}" for f in findings if f.state != "ok"]


@pytest.fixture
def settings(clean_environment, platform) -> Settings:
    return Settings.load()


def test_a_platform_in_order(settings, platform, sources, monkeypatch):
    sources.add_wearer("C1", "anna")
    for hours in range(25):
        sources.add_hour("C1", OPEN - timedelta(hours=hours))
    platform.load(OPEN - timedelta(hours=24), OPEN)
    # The roll-up of that run has found no raw rows.
    sources.add_hour("C1", OPEN)
    with reader_of(sources.admin, {sources.crm: "crm.v_customer_prosthesis"}) as reader:
        findings = list(examine_crm(as_user(sources.crm, reader), settings))
    assert wrong(findings) == []
    assert any("names the wearers of 1 chips, and 1 prostheses" in f.says for f in findings)
    external = settings.model_copy(update={"rollup": "external"})
    with reader_of(sources.admin, {sources.telemetry: "telemetry.v_hourly_telemetry"}) as reader:
        assert wrong(examine_telemetry(as_user(sources.telemetry, reader), external)) == []
        without_grant = wrong(examine_telemetry(as_user(sources.telemetry, reader), settings))
    assert len(without_grant) == 1
    assert "grant bionicpro_telemetry_rollup" in without_grant[0]
    findings = list(examine_clickhouse(platform.clickhouse, settings, datetime.now(UTC)))
    assert wrong(f for f in findings if "disk" not in f.says) == []
    assert any("has all 24 closed hours" in f.says for f in findings)
    # The hours stay labelled as they were loaded.
    monkeypatch.setenv("BIONICPRO_ROLLUP", "external")
    platform.load(OPEN, OPEN)
    moved = settings.model_copy(update={"report_timezone": "Asia/Tokyo"})
    (said,) = wrong(
        f for f in examine_clickhouse(platform.clickhouse, moved, datetime.now(UTC)) if "disk" not in f.says
    )
    assert "clickhouse problem: Rows of" in said
    assert "have the date and hour of another time zone than Asia/Tokyo" in said


def test_rights_that_nobody_needs_and_a_source_without_rows(settings, sources):
    crm, telemetry = wrong(examine_crm(sources.crm, settings)), wrong(examine_telemetry(sources.telemetry, settings))
    assert "may change crm.customers, crm.prostheses, crm.prosthesis_models" in crm[0]
    assert "crm_db warning: It names no chip at all" in crm[1]
    assert "telemetry.hourly_stats" in telemetry[0]
    assert "No hour of the last 7 days is rolled up" in telemetry[1]


def test_what_cant_be_read_is_a_problem_and_no_traceback(settings, sources):
    gone = PostgresSource("crm_db", "postgresql://etl:s3cret@127.0.0.1:1/crm_db", "BIONICPRO_CRM_DB_URL")
    (said,) = wrong(looked_at("crm_db", lambda: examine_crm(gone, settings)))
    assert said.startswith("crm_db problem: crm_db (127.0.0.1:1/crm_db) can't be reached")
    assert "s3cret" not in said
    execute(sources.telemetry.url, "ALTER VIEW telemetry.v_hourly_telemetry RENAME COLUMN error_count TO errors")
    (said,) = wrong(looked_at("telemetry_db", lambda: examine_telemetry(sources.telemetry, settings)))
    assert "column error_count is missing" in said


@pytest.mark.parametrize(
    ("ahead", "state"),
    [(0.2, "ok"), (-9, "ok"), (11, "warning"), (-11, "warning"), (301, "problem"), (-301, "problem")],
)
def test_clocks(ahead, state):
    finding = clock("crm_db", timedelta(seconds=ahead))
    assert finding.state == state
    assert state == "ok" or f"{abs(ahead)} s {'ahead of' if ahead > 0 else 'behind'}" in finding.says


class OfAnotherYear(ClickHouse):
    """ClickHouse as if its data of a zone were older: it has the zone's clocks of before a change."""

    def rows(self, query, parameters=None, settings=None):
        older = {"zone": "Europe/Samara"} if parameters and "zone" in parameters else {}
        return super().rows(query, {**(parameters or {}), **older}, settings)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Moscow", "Asia/Kolkata", "America/New_York"])
def test_a_zone_of_which_all_have_the_same_clocks(clickhouse, zone):
    assert examine_zone(clickhouse, zone, datetime.now(UTC)).state == "ok"


def test_a_zone_of_which_clickhouse_has_other_clocks(tmp_path):
    with OfAnotherYear(f"chdb://{tmp_path}/other") as clickhouse:
        found = examine_zone(clickhouse, "Europe/Moscow", datetime(2026, 11, 24, 8, 30, tzinfo=UTC))
    assert found.state == "problem"
    assert found.says.startswith("From 2025-11-24 08:00 UTC on, polars and ClickHouse have different clocks for")
    assert "Europe/Moscow (2025-11-24 11:00 and 2025-11-24 12:00)" in found.says


def test_the_mart(settings, platform, sources, monkeypatch):
    now = datetime.now(UTC)
    nothing = wrong(f for f in examine_clickhouse(platform.clickhouse, settings, now) if "disk" not in f.says)
    assert len(nothing) == 1
    assert "lacks" in nothing[0]
    assert f"--to {OPEN - timedelta(hours=1):%Y-%m-%dT%H:%M}" in nothing[0]
    monkeypatch.setattr(mart, "FREE_WARNING", 1.1)
    assert any("Make room" in said for said in wrong(examine_clickhouse(platform.clickhouse, settings, now)))
    platform.clickhouse.command("DELETE FROM storage.schema_changes WHERE file LIKE '230%'")
    said = wrong(looked_at("clickhouse", lambda: examine_clickhouse(platform.clickhouse, settings, now)))
    assert "outstanding: 230_reports_user_prosthesis_stats.sql" in said[-1]


def test_an_hour_that_was_last_read_while_it_was_open_is_not_complete(platform, sources, monkeypatch):
    """The daemon stopped in it: there are rows of the hour, but not what came until its end."""
    hour = floor_hour(datetime.now(UTC))
    monkeypatch.setenv("BIONICPRO_ROLLUP", "external")
    monkeypatch.setenv("BIONICPRO_PARTITIONS_START", f"{hour:%Y-%m-%dT%H:%M}")
    sources.add_wearer("C1", "anna")
    sources.add_hour("C1", hour)
    platform.load(hour, hour)
    clickhouse, ended = platform.clickhouse, hour + timedelta(hours=1)

    def said(now: datetime) -> tuple[str, str, str]:
        """What the doctor, the claim on the day and a patient's page say."""
        *_, doctor = examine_clickhouse(clickhouse, Settings.load(), now)
        day = hour.date()
        verdicts = evaluate_days(clickhouse, [day], zone="UTC", start=hour, now=now)
        (loaded,) = (v for v in verdicts if v.claim.name == "every_hour_of_the_day_loaded")
        facts = find_facts(clickhouse, Period(day, day, "UTC"), start=hour, now=now, user="anna")
        return doctor.says, str(loaded), render(facts, "en")

    doctor, claim, page = said(ended + timedelta(minutes=45))
    assert f"no more of {hour:%Y-%m-%d %H:%M}" in doctor
    assert f"materialize --from {hour:%Y-%m-%dT%H:%M} --to {hour:%Y-%m-%dT%H:%M}" in doctor
    assert claim.endswith(f"like {hour:%Y-%m-%d %H}:00 UTC last read before it had ended.")
    assert "Last loaded before they had ended: 1 hour of 1 hour" in page
    assert "Never loaded" not in page
    assert "that have ended were loaded" not in page
    # The next refresh is still to come.
    assert "all 1 closed hours" in said(ended + timedelta(minutes=5))[0]

    journal = "INSERT INTO storage.publications SELECT * REPLACE ({at} AS source_read_at) FROM storage.publications"
    clickhouse.command(journal.format(at=f"toDateTime64({int(ended.timestamp())}, 6, 'UTC')"))
    doctor, claim, page = said(ended + timedelta(minutes=45))
    assert "all 1 closed hours" in doctor
    assert claim == "every_hour_of_the_day_loaded: holds"
    # The platform begins with this hour: of the day of a later one than midnight's, that is told, too.
    assert re.search(r"All 1 hour (of the period|from then on) that have ended were loaded\.", page)


def test_the_orchestration(settings, platform, sources, tmp_path):
    now = datetime.now(UTC)
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        never = wrong(examine_dagster(instance, settings, now))
        assert "daemon has never run here" in never[0]
        assert "bionicpro_reports_etl has never run here" in never[1]
        for daemon in instance.get_required_daemon_types():
            old = (now - timedelta(hours=1)).timestamp()
            instance.add_daemon_heartbeat(DaemonHeartbeat(old, daemon, "one", []))
        assert "Dagster's daemon doesn't run" in wrong(examine_dagster(instance, settings, now))[0]
        for daemon in instance.get_required_daemon_types():
            instance.add_daemon_heartbeat(DaemonHeartbeat(now.timestamp(), daemon, "one", []))
        sources.add_wearer("C1", "anna")
        sources.add_hour("C1", OPEN)
        Platform(sources, platform.clickhouse, instance).load(OPEN, OPEN)
        assert wrong(examine_dagster(instance, settings, datetime.now(UTC))) == []
        late = wrong(examine_dagster(instance, settings, datetime.now(UTC) + timedelta(hours=1)))
        assert any("ended well 60 min ago" in said for said in late)
        instance.add_instigator_state(
            InstigatorState(
                origin_of(keys.SCHEDULE),
                InstigatorType.SCHEDULE,
                InstigatorStatus.STOPPED,
                ScheduleInstigatorData("*/15 * * * *"),
            )
        )
        assert f"{keys.SCHEDULE} is switched off" in wrong(examine_dagster(instance, settings, datetime.now(UTC)))[0]
        job = RemoteJobOrigin(origin_of(keys.SCHEDULE).repository_origin, keys.JOB)
        instance.add_run(dg.DagsterRun(keys.JOB, status=dg.DagsterRunStatus.QUEUED, remote_job_origin=job))
        later = wrong(examine_dagster(instance, settings, datetime.now(UTC) + timedelta(minutes=31)))
        assert any("1 runs wait, the oldest for 31 min" in said for said in later)


def why_it_failed(error: Exception):
    """As the daemon keeps it."""
    try:
        with user_code_error_boundary(SensorExecutionError, lambda: "Error occurred during the execution of a sensor"):
            raise error
    except SensorExecutionError:
        return serializable_error_info_from_exc_info(sys.exc_info())


def test_schedules_and_sensors_whose_ticks_fail(settings, tmp_path):
    """A failed tick is no run: nothing else tells of it."""
    now = datetime.now(UTC)
    kinds = {
        keys.SCHEDULE: InstigatorType.SCHEDULE,
        keys.LATE_SENSOR: InstigatorType.SENSOR,
        "others": InstigatorType.SENSOR,
    }
    states = {
        name: InstigatorState(
            origin_of(name),
            kind,
            InstigatorStatus.DECLARED_IN_CODE,
            ScheduleInstigatorData("*/15 * * * *") if kind == InstigatorType.SCHEDULE else SensorInstigatorData(),
        )
        for name, kind in kinds.items()
    }
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        for state in states.values():
            instance.add_instigator_state(state)

        def tick(name, status, minutes_ago, error=None):
            at = (now - timedelta(minutes=minutes_ago)).timestamp()
            state = states[name]
            data = TickData(
                state.instigator_origin_id, name, kinds[name], status, at, error=error, selector_id=state.selector_id
            )
            instance.create_tick(data)

        def said():
            found = [f for f in examine_dagster(instance, settings, now) if "tick" in f.says]
            return [f"{f.state}: {f.says}" for f in found]

        well = ["ok: The last tick of each schedule and sensor went well."]
        assert said() == well, "none yet"
        tick(keys.LATE_SENSOR, TickStatus.SKIPPED, 20)
        tick("others", TickStatus.FAILURE, 20, why_it_failed(ValueError()))
        assert said() == well
        gone = dg.Failure(
            f"telemetry_db can't be read as {settings.secret('BIONICPRO_CRM_DB_URL')}: permission denied."
        )
        tick(keys.LATE_SENSOR, TickStatus.FAILURE, 15, why_it_failed(gone))
        tick(keys.LATE_SENSOR, TickStatus.STARTED, 0)
        failed = f"The last tick of {keys.LATE_SENSOR}, 15 min ago, failed"
        assert said() == [f"warning: {failed}: telemetry_db can't be read as …: permission denied."]
        tick(keys.LATE_SENSOR, TickStatus.FAILURE, 10, why_it_failed(gone))
        tick(keys.SCHEDULE, TickStatus.FAILURE, 4, why_it_failed(ValueError("Анна Иванова")))
        late, schedule = said()
        assert late.startswith(
            f"problem: The last tick of {keys.LATE_SENSOR}, 10 min ago, failed, and so did the one before: "
        )
        assert schedule == (
            f"warning: The last tick of {keys.SCHEDULE}, 4 min ago, failed: ValueError; the UI has its text, under Automation."
        )
        tick(keys.LATE_SENSOR, TickStatus.SKIPPED, 5)
        tick(keys.SCHEDULE, TickStatus.FAILURE, 2, why_it_failed(ValueError()))
        assert said() == [
            f"problem: The last tick of {keys.SCHEDULE}, 2 min ago, failed, and so did the one before: ValueError; the UI has its text, under Automation."
        ]
        instance.update_instigator_state(states[keys.SCHEDULE].with_status(InstigatorStatus.STOPPED))
        assert said() == well, "it is switched off, and that is said"


def origin_of(name: str) -> RemoteInstigatorOrigin:
    """A schedule as the daemon names it."""
    location = ManagedGrpcPythonEnvCodeLocationOrigin(
        LoadableTargetOrigin(module_name="bionicpro_assets.definitions"), "bionicpro_assets"
    )
    return RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), name)


def test_the_command(settings, sources, monkeypatch, capsys):
    from bionicpro_assets.cli.doctor import run_doctor

    monkeypatch.setenv("BIONICPRO_CRM_DB_URL", "postgresql://etl:s3cret@127.0.0.1:1/crm_db")
    with pytest.raises(PlatformError, match=r"^1 problem, (1 warning|[02-9] warnings)\.$"):
        run_doctor(datetime.now(UTC), as_json=True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"settings", "crm_db", "telemetry_db", "clickhouse", "dagster", "alerts"} == {f["subject"] for f in lines}
    assert [f["subject"] for f in lines if f["state"] == "problem"] == ["crm_db"]
    monkeypatch.setenv("BIONICPRO_CRM_DB_URL", "mysql://nobody")
    monkeypatch.setenv("ETL_LOOKBACK_HOURS", "-1")
    with pytest.raises(PlatformError, match="2 problems, 0 warnings"):
        run_doctor(datetime.now(UTC), as_json=False)
    assert "ETL_LOOKBACK_HOURS" in capsys.readouterr().out


def test_what_dagster_keeps_may_be_away_and_the_rest_is_looked_at(settings, tmp_path, monkeypatch, capsys):
    from bionicpro_assets.cli.doctor import run_doctor

    storage_away(tmp_path / "dagster", monkeypatch)
    with pytest.raises(PlatformError, match="^1 problem, "):
        run_doctor(datetime.now(UTC), as_json=True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (problem,) = [f for f in lines if f["state"] == "problem"]
    assert (problem["subject"], problem["says"].partition(":")[0]) == ("dagster", "Dagster's storage can't be used")
    assert {"crm_db", "telemetry_db", "clickhouse", "alerts"} <= {f["subject"] for f in lines}


def test_the_rest_is_looked_at_where_the_embedded_postgres_cant_start(settings, monkeypatch, capsys):
    from bionicpro_assets.cli.doctor import run_doctor

    monkeypatch.setenv("BIONICPRO_EMBEDDED_POSTGRES", "true")
    monkeypatch.setenv("BIONICPRO_HOME", "/dev/null/x")
    with pytest.raises(PlatformError, match="^2 problems, "):
        run_doctor(datetime.now(UTC), as_json=True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [f["subject"] for f in lines if f["state"] == "problem"] == ["crm_db", "dagster"]
    assert all("can't be written: Not a directory" in f["says"] for f in lines if f["state"] == "problem")
    assert {"clickhouse", "alerts"} <= {f["subject"] for f in lines}
