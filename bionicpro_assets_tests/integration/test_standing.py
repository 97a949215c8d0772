"""The eye on what stands, end to end: the hourly job says it, the sensor asks, the run brings it back, people are told."""

import json
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from typer.testing import CliRunner

from bionicpro_assets.cli.doctor import run_doctor
from bionicpro_assets.cli.main import app
from bionicpro_assets.defs import keys
from bionicpro_assets.errors import AnswerError
from bionicpro_assets.hours import floor_hour, hour_range
from bionicpro_assets.instance import dagster_instance
from bionicpro_assets.load.columns import hourly_tables
from bionicpro_assets.runs import hours_of_run
from bionicpro_assets.settings import Settings
from bionicpro_assets.standing.look import CYCLE, due
from bionicpro_assets_tests.integration.conftest import configure
from bionicpro_assets_tests.integration.platform import Platform
from bionicpro_assets_tests.integration.test_late import Daemon, of_settings

pytestmark = pytest.mark.filterwarnings("ignore")
OPEN = floor_hour(datetime.now(UTC))
FIRST = OPEN - timedelta(hours=5)
LOST = hour_range(FIRST, FIRST + timedelta(hours=1))


@pytest.fixture
def platform(sources, clickhouse, tmp_path, monkeypatch):
    """The platform with Dagster's record in its home, where the commands look for it."""
    configure(monkeypatch, sources, tmp_path)
    monkeypatch.setenv("BIONICPRO_ROLLUP", "external")
    monkeypatch.setenv("COLUMNS", "400")
    with dagster_instance(Settings.load()) as instance:
        yield Platform(sources, clickhouse, instance)


def sweep(platform: Platform) -> dg.AssetCheckEvaluation:
    """The hourly job, as its schedule starts it; what its check says."""
    job = of_settings(Settings.load()).resolve_job_def(keys.SWEEP_JOB)
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    result = job.execute_in_process(quiet, instance=platform.instance)
    (evaluation,) = result.get_asset_check_evaluations()
    return evaluation


def doctor() -> str | None:
    """How doctor ends: None without a problem."""
    try:
        run_doctor(datetime.now(UTC), as_json=False)
    except AnswerError as error:
        return str(error)
    return None


def test_lost_hours_are_said_everywhere_and_come_back(platform, sources, capsys):
    for chip, user in (("C1", "anna"), ("C2", "boris")):
        sources.add_wearer(chip, user)
        for hour in hour_range(FIRST, OPEN):
            sources.add_hour(chip, hour)
    platform.load(FIRST, OPEN)
    daemon = Daemon(platform)
    assert sweep(platform).passed
    assert daemon.tick().run_requests == []
    assert doctor() is None
    within = " OR ".join(f"hour_start = toDateTime({int(hour.timestamp())}, 'UTC')" for hour in LOST)
    platform.clickhouse.command(f"DELETE FROM storage.user_prosthesis_stats WHERE {within}")

    assert doctor().startswith("1 problem")
    said = "reports.user_prosthesis_stats: of 4 rows that were published 4 are gone"
    assert said in " ".join(capsys.readouterr().out.split())
    status = CliRunner().invoke(app, ["status", "--json"])
    assert said in json.loads(status.stdout)["damage"][0]
    evaluation = sweep(platform)
    assert not evaluation.passed
    assert said in evaluation.description
    requests = daemon.tick().run_requests
    assert [hours_of_run(request.tags) for request in requests] == [LOST]
    assert daemon.tick_at(datetime.now(UTC)).requests != [], "nobody has started it"
    assert daemon.run(requests[0].tags)
    assert daemon.tick().run_requests == []
    assert platform.mart() == sources.expected_mart(FIRST, OPEN)
    assert sweep(platform).passed
    assert doctor() is None


def test_a_mart_made_anew_under_an_old_record_is_missing_whatever_dagster_says(platform, sources, tmp_path):
    sources.add_wearer("C1", "anna")
    for hour in hour_range(FIRST, OPEN):
        sources.add_hour("C1", hour)
    platform.load(FIRST, OPEN)
    for table in ("publications", *(name.partition(".")[2] for name in hourly_tables())):
        platform.clickhouse.command(f"TRUNCATE TABLE storage.{table}")
    assert "problem" in doctor()
    everything = CliRunner().invoke(app, ["verify", "--all"])
    assert everything.exit_code == 1
    assert "Never loaded" in everything.output
    assert not sweep(platform).passed
    daemon = Daemon(platform)
    requests = daemon.tick().run_requests
    assert [hours_of_run(request.tags) for request in requests] == [hour_range(FIRST, OPEN - timedelta(hours=3))]
    assert daemon.run(requests[0].tags)
    platform.load(OPEN - timedelta(hours=2), OPEN)
    assert platform.mart() == sources.expected_mart(FIRST, OPEN)
    assert sweep(platform).passed


def test_verify_says_which_hours_it_looked_at(platform, sources):
    sources.add_wearer("C1", "anna")
    for hour in hour_range(FIRST, OPEN):
        sources.add_hour("C1", hour)
    platform.load(FIRST, OPEN)
    some = CliRunner().invoke(app, ["verify"])
    assert some.exit_code == 0, some.output
    last = some.output.strip().splitlines()[-1]
    assert last.startswith(f"Looked at {OPEN - timedelta(hours=2):%Y-%m-%d %H:%M}")
    assert last.endswith("3 other hours that are kept were not looked at: bionicpro verify --all")
    whole = CliRunner().invoke(app, ["verify", "--all"])
    assert whole.exit_code == 0, whole.output
    assert "5 of 5 hours" in whole.stderr
    assert whole.stdout.strip().endswith("no other is kept.")


@pytest.mark.parametrize("awake", [range(24), range(9, 17)])
def test_every_hour_is_read_again_within_days(awake):
    """Also where the machine is off at night; there it takes longer."""
    began = datetime(2026, 11, 1, tzinfo=UTC)
    hours = hour_range(began - timedelta(days=360), began)
    for name in hourly_tables():
        left, looks = set(hours), 0
        now = began
        while left:
            if now.hour in awake:
                left -= set(due(now, name, hours))
            looks += 1
            now += timedelta(hours=1)
            assert looks <= (CYCLE if len(awake) == 24 else 24 * CYCLE)
