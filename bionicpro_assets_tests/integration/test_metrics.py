"""Metrics of a real instance and a real mart: runs that went well and failed, checks, a queue, a quarantine."""

import os
import threading
import urllib.error
import urllib.request
import uuid
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    InProcessCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, SensorInstigatorData
from dagster._core.test_utils import create_run_for_test
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._daemon.types import DaemonHeartbeat
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from bionicpro_assets.cli.main import app
from bionicpro_assets.cli.metrics import Opened, sources_of
from bionicpro_assets.definitions import build_definitions
from bionicpro_assets.defs import keys
from bionicpro_assets.defs.alerts import tell
from bionicpro_assets.hours import floor_hour, hour_range, partition_key
from bionicpro_assets.instance import run_job
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.metrics.collector import PlatformCollector, registry_of
from bionicpro_assets.metrics.families import FAMILIES
from bionicpro_assets.metrics.server import MetricsServer
from bionicpro_assets.settings import Settings
from bionicpro_assets.setup.clickhouse import apply_clickhouse_schema
from bionicpro_assets_tests.gateway.fixtures import PASSWORD, running_gateway
from bionicpro_assets_tests.integration.conftest import fresh_sources
from bionicpro_assets_tests.integration.test_postgres_storage import storage_away

pytestmark = pytest.mark.filterwarnings("ignore")
LAST = floor_hour(datetime.now(UTC)) - timedelta(hours=1)
FIRST = LAST - timedelta(hours=2)
MART = "reports.user_prosthesis_stats"


@dataclass(frozen=True)
class Loaded:
    """A platform after some runs, and what is true of it."""

    environment: dict[str, str]
    instance: dg.DagsterInstance
    began: float
    queued_at: float
    heartbeat: float


@contextmanager
def environment(values):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setenv(name, value)
        yield patch


@pytest.fixture(scope="module")
def loaded(postgres_server, tmp_path_factory):
    """Three hours of two wearers and one unknown chip; a run that failed; one that is queued; a message that waits."""
    folder = tmp_path_factory.mktemp("metrics")
    with (
        fresh_sources(postgres_server) as sources,
        running_gateway(folder / "clickhouse") as gateway,
        dg.instance_for_test(temp_dir=str(folder), overrides={"run_retries": {"enabled": True}}) as instance,
        environment(
            {
                "BIONICPRO_CRM_DB_URL": sources.crm.url,
                "BIONICPRO_TELEMETRY_DB_URL": sources.telemetry.url,
                "BIONICPRO_CLICKHOUSE_URL": gateway.url(),
                "BIONICPRO_HOME": str(folder / "home"),
                "BIONICPRO_ROLLUP": "external",
                "DAGSTER_HOME": str(folder),
                # Nobody listens there.
                "BIONICPRO_ALERT_WEBHOOK_URL": "http://127.0.0.1:9/services/T0KEN",
                "no_proxy": "127.0.0.1",
            }
        ) as patch,
    ):
        began = datetime.now(UTC).timestamp()
        for chip, user in (("C1", "anna"), ("C2", "boris")):
            sources.add_wearer(chip, user)
        for hour in hour_range(FIRST, LAST):
            for chip in ("C1", "C2", "UNKNOWN"):
                sources.add_hour(chip, hour)
        with ClickHouse(gateway.url()) as clickhouse:
            apply_clickhouse_schema(clickhouse)
        settings = Settings.load()
        assert not run_job(settings, instance, hour_range(FIRST, LAST), str(uuid.uuid4())).failures
        patch.setenv("BIONICPRO_CRM_DB_URL", "postgresql://etl:s3cret@127.0.0.1:9/crm_db")
        assert run_job(Settings.load(), instance, [LAST], str(uuid.uuid4())).failures
        patch.setenv("BIONICPRO_CRM_DB_URL", sources.crm.url)
        queued_at = datetime.now(UTC).timestamp()
        for _ in range(2):
            origin = RemoteJobOrigin(_repository(), keys.JOB)
            create_run_for_test(
                instance, job_name=keys.JOB, status=dg.DagsterRunStatus.QUEUED, remote_job_origin=origin
            )
        beat = datetime.now(UTC).timestamp()
        instance.add_daemon_heartbeat(DaemonHeartbeat(beat, "SCHEDULER", "one", []))
        repository = build_definitions(settings).get_repository_def()
        cursor, _ = tell(settings, instance, repository, None, datetime.now(UTC) + timedelta(minutes=5))
        instance.add_instigator_state(_sensor(cursor))
        names = ("CRM_DB_URL", "TELEMETRY_DB_URL", "CLICKHOUSE_URL", "HOME", "ROLLUP", "ALERT_WEBHOOK_URL")
        kept = {f"BIONICPRO_{name}": os.environ[f"BIONICPRO_{name}"] for name in names}
        yield Loaded(kept | {"DAGSTER_HOME": str(folder), "no_proxy": "127.0.0.1"}, instance, began, queued_at, beat)


def _repository():
    location = InProcessCodeLocationOrigin(
        LoadableTargetOrigin(executable_path="python", module_name="bionicpro_assets.definitions"), location_name="it"
    )
    return RemoteRepositoryOrigin(location, "__repository__")


def _sensor(cursor):
    origin = RemoteInstigatorOrigin(_repository(), keys.ALERTS_SENSOR)
    return InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, SensorInstigatorData(cursor=cursor))


@pytest.fixture
def configured(loaded, monkeypatch):
    for name, value in loaded.environment.items():
        monkeypatch.setenv(name, value)
    return loaded


def parsed(text):
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def get(server, path, method="GET"):
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


@contextmanager
def listening(collector):
    server = MetricsServer(registry_of(collector), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()


def test_one_scrape_says_it_all(configured):
    with listening(PlatformCollector(sources_of(Settings.load(), configured.instance), 60)) as server:
        status, headers, text = get(server, "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=")
    found, now = parsed(text), datetime.now(UTC).timestamp()

    assert {key[1]: value for key, value in found.items() if key[0] == "bionicpro_scrape_error"} == dict.fromkeys(
        ("runs", "daemons", "assets", "checks", "alerts", "journal"), 0
    )
    # Runs.
    assert found["bionicpro_runs", "queued"] == 2
    assert found["bionicpro_runs", "started"] == 0
    assert configured.queued_at - 1 <= found["bionicpro_run_oldest_queued_timestamp_seconds",] <= now
    assert found["bionicpro_runs_ended_last_day", keys.JOB, "success"] == 1
    assert found["bionicpro_runs_ended_last_day", keys.JOB, "failure"] == 1
    assert found["bionicpro_runs_ended_last_day", keys.SWEEP_JOB, "failure"] == 0
    assert configured.began <= found["bionicpro_job_last_success_timestamp_seconds", keys.JOB] <= now
    assert 0 < found["bionicpro_job_last_success_duration_seconds", keys.JOB] < now - configured.began
    assert ("bionicpro_job_last_success_timestamp_seconds", keys.SWEEP_JOB) not in found
    # Daemons: one lives, the others that are needed never did.
    assert found["bionicpro_daemon_heartbeat_timestamp_seconds", "scheduler"] == pytest.approx(configured.heartbeat)
    assert found["bionicpro_daemon_heartbeat_timestamp_seconds", "sensor"] == 0
    # Assets, by Dagster.
    assert found["bionicpro_asset_partitions", "reports/user_prosthesis_stats"] == 3
    assert found["bionicpro_asset_rows", "reports/user_prosthesis_stats"] == 6
    assert found["bionicpro_asset_rows", "quarantine/rejected_telemetry"] == 3
    assert found["bionicpro_asset_newest_hour_timestamp_seconds", "staging/hourly_telemetry"] == LAST.timestamp()
    read = found["bionicpro_asset_source_read_timestamp_seconds", "reports/user_prosthesis_stats"]
    assert configured.began - 1 <= read <= now
    # The journal says the same.
    assert found["bionicpro_table_publications", MART] == 3
    assert found["bionicpro_table_rows", MART] == 6
    assert found["bionicpro_table_rows", "quarantine.rejected_telemetry"] == 3
    assert found["bionicpro_table_newest_hour_timestamp_seconds", MART] == LAST.timestamp()
    assert found["bionicpro_table_source_read_timestamp_seconds", MART] == pytest.approx(read, abs=0.001)
    (reason,) = [key for key in found if key[0] == "bionicpro_quarantine_rows"]
    assert found[reason] == 3
    # A third of the telemetry has no wearer, which is a warning; all else holds.
    assert (
        found["bionicpro_check_failed", "reports/user_prosthesis_stats", "nothing_lost_nothing_doubled", "error"] == 0
    )
    failed = {key[2:] for key, value in found.items() if key[0] == "bionicpro_check_failed" and value}
    assert ("every_chip_known", "warning") in failed
    assert not [key for key in failed if key[1] == "error"], failed
    # The failed run was told of, and the message waits.
    assert found["bionicpro_open_problems", "run", "error"] == 1
    assert found["bionicpro_open_problems", "freshness", "error"] == 0
    assert found["bionicpro_alert_messages_waiting",] >= 1
    # No login, no name, no password, no chip.
    assert not [
        word for word in ("anna", "boris", "Иванова", "UNKNOWN", "C1", "s3cret", "T0KEN", PASSWORD) if word in text
    ]
    assert {key[0] for key in found} <= {f.name for f in FAMILIES}


def test_the_server_shows_nothing_else_and_lives_while_a_source_is_away(configured, monkeypatch):
    monkeypatch.setenv("BIONICPRO_CLICKHOUSE_URL", "http://etl:s3cret@127.0.0.1:9/reports")
    with listening(PlatformCollector(sources_of(Settings.load(), configured.instance), 60)) as server:
        assert get(server, "/healthz")[::2] == (200, "alive\n")
        assert get(server, "/")[0] == 404
        assert get(server, "/metrics", "POST")[0] == 405
        _, headers, text = get(server, "/metrics")
        assert "Server" not in headers or "s3cret" not in headers["Server"]
    found = parsed(text)
    assert found["bionicpro_scrape_error", "journal"] == 1
    assert found["bionicpro_scrape_error", "assets"] == 0
    assert found["bionicpro_asset_rows", "reports/user_prosthesis_stats"] == 6
    assert "s3cret" not in text


def test_the_command_prints_them_and_its_status_says_if_it_could(configured, monkeypatch):
    done = CliRunner().invoke(app, ["metrics", "--once", "--timeout", "60"])
    assert done.exit_code == 0, done.output
    assert parsed(done.stdout)["bionicpro_table_rows", MART] == 6
    monkeypatch.setenv("BIONICPRO_CLICKHOUSE_URL", "http://etl:s3cret@127.0.0.1:9/reports")
    done = CliRunner().invoke(app, ["metrics", "--once", "--timeout", "60"])
    assert done.exit_code == 1
    assert "Not all could be read: journal." in done.stderr
    assert parsed(done.stdout)["bionicpro_asset_rows", "reports/user_prosthesis_stats"] == 6


def test_what_dagster_keeps_may_be_away_and_the_journal_comes(configured, tmp_path, monkeypatch):
    storage_away(tmp_path / "away", monkeypatch)
    done = CliRunner().invoke(app, ["metrics", "--once", "--timeout", "60"])
    assert done.exit_code == 1
    assert "Not all could be read: runs, daemons, assets, checks, alerts." in done.stderr
    assert "metrics: runs: Dagster's storage can't be used: connection to server" in done.stderr
    assert "s3cret" not in done.output
    found = parsed(done.stdout)
    assert found["bionicpro_table_rows", MART] == 6
    assert {key[1]: value for key, value in found.items() if key[0] == "bionicpro_scrape_error"} == {
        **dict.fromkeys(("runs", "daemons", "assets", "checks", "alerts"), 1), "journal": 0,
    }  # fmt: skip


def test_a_storage_that_is_back_is_read_again(configured, tmp_path, monkeypatch):
    """The service outlives what it reads: it isn't started again because of it."""
    monkeypatch.setattr("bionicpro_assets.cli.metrics.SECONDS_BEFORE_ANOTHER_TRY", 0)
    here = os.environ["DAGSTER_HOME"]
    with ExitStack() as stack, monkeypatch.context() as meanwhile:
        collector = PlatformCollector(sources_of(Settings.load(), Opened(Settings.load(), stack)), 60)
        storage_away(tmp_path / "away", meanwhile)
        list(collector.collect())
        assert collector.failing == ["runs", "daemons", "assets", "checks", "alerts"]
        meanwhile.setenv("DAGSTER_HOME", here)
        list(collector.collect())
        assert collector.failing == []


def test_the_embedded_engine_is_left_to_runs(configured, monkeypatch, tmp_path):
    monkeypatch.setenv("BIONICPRO_CLICKHOUSE_URL", f"chdb://{tmp_path}/engine")
    found = parsed(CliRunner().invoke(app, ["metrics", "--once", "--timeout", "60"]).stdout)
    assert found["bionicpro_asset_rows", "reports/user_prosthesis_stats"] == 6
    assert not [key for key in found if key[0].startswith("bionicpro_table")]
    assert ("bionicpro_scrape_error", "journal") not in found
    assert not (tmp_path / "engine").exists()


def test_an_instance_where_nothing_ever_ran_has_metrics_too(configured):
    with dg.instance_for_test() as instance:
        collector = PlatformCollector(sources_of(Settings.load(), instance), 60)
        with listening(collector) as server:
            found = parsed(get(server, "/metrics")[2])
            loaded = dg.AssetMaterialization(keys.MART, partition=partition_key(LAST))
            instance.report_runless_asset_event(loaded)
            later = parsed(get(server, "/metrics")[2])
    assert collector.failing == []
    assert later["bionicpro_asset_partitions", "reports/user_prosthesis_stats"] == 1
    assert later["bionicpro_asset_newest_hour_timestamp_seconds", "reports/user_prosthesis_stats"] == LAST.timestamp()
    assert found["bionicpro_asset_partitions", "reports/user_prosthesis_stats"] == 0
    assert ("bionicpro_run_oldest_queued_timestamp_seconds",) not in found
    assert not [key for key in found if key[0] in ("bionicpro_check_failed", "bionicpro_open_problems")]
