"""Dagster's storage in PostgreSQL: what it records of a run over many hours is what Dagster's own records."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import dagster as dg
import pytest
import sqlalchemy as sa
import yaml
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from typer.testing import CliRunner

from bionicpro_assets.cli.main import app
from bionicpro_assets.errors import PlatformError
from bionicpro_assets.event_log import BATCH_SIZE_VARIABLE
from bionicpro_assets.instance import dagster_instance
from bionicpro_assets.postgres_storage import BatchedPostgresEventLogStorage
from bionicpro_assets.settings import Settings
from bionicpro_assets_tests.integration.sources import execute
from bionicpro_assets_tests.unit.test_event_log import KEYS, record, run

OURS = yaml.safe_load((Path(__file__).resolve().parents[2] / "docker/dagster.yaml").read_text())["storage"]
# Whole tables, without numbers, times and a data version, which is the run's: what is left, in the numbers' order.
TABLES = {
    "event_logs": "SELECT dagster_event_type, asset_key, partition, step_key FROM event_logs "
                  "WHERE dagster_event_type LIKE 'ASSET_%' ORDER BY id",
    "asset_keys": "SELECT asset_key, last_run_id IS NOT NULL, (last_materialization::json -> 'event_log_entry' -> "
                  "'dagster_event' ->> 'message'), asset_details, wipe_timestamp FROM asset_keys ORDER BY asset_key",
    "asset_event_tags": "SELECT t.asset_key, t.key, length(t.value), e.partition FROM asset_event_tags t "
                        "JOIN event_logs e ON e.id = t.event_id AND e.asset_key = t.asset_key ORDER BY e.id",
    "runs": "SELECT status FROM runs",
}  # fmt: skip


@contextmanager
def instance(postgres_server: str, folder: Path, name: str) -> Iterator[dg.DagsterInstance]:
    """An instance in a new database, with Dagster's own storage or this one."""
    execute(postgres_server, f"CREATE DATABASE {name}", autocommit=True)
    url = urlunsplit(urlsplit(postgres_server)._replace(scheme="postgresql+psycopg2", path=f"/{name}"))
    config = {"postgres_url": url}
    storage = {"custom": OURS["custom"] | {"config": config}} if name == "batched" else {"postgres": config}
    folder.mkdir()
    (folder / "dagster.yaml").write_text(yaml.safe_dump({"storage": storage}))
    with dg.DagsterInstance.from_config(str(folder)) as made:
        assert isinstance(made.event_log_storage, BatchedPostgresEventLogStorage) == (name == "batched")
        yield made
    execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)", autocommit=True)


@pytest.fixture(scope="module")
def recorded(postgres_server, tmp_path_factory):
    """The same run as Dagster's own storage records it, and this one; and both after their connections were cut."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(BATCH_SIZE_VARIABLE, "64")
        for name in ("dagster", "batched"):
            with instance(postgres_server, tmp_path_factory.mktemp(name) / "home", name) as made:
                run_id = run(made)
                storage = made.event_log_storage
                with storage.index_connection() as connection:
                    tables = {t: [tuple(r) for r in connection.execute(sa.text(q))] for t, q in TABLES.items()}
                    status = sa.select(AssetCheckExecutionsTable.c.execution_status)
                    checks = sorted(row[0] for row in connection.execute(status))
                    ids = [row[0] for row in connection.execute(sa.text("SELECT id FROM event_logs"))]
                found[name] = record(made, run_id), tables, checks, ids, survives(made, postgres_server, name)
    return found


def survives(made, postgres_server: str, name: str) -> list[bool]:
    """Whether each of a web server's storages answers at once when the connections that it keeps were cut."""
    made.optimize_for_webserver(5000, 3600, 1)
    asked = [made.get_runs_count, made.all_asset_keys, made.all_instigator_state]
    for ask in asked:
        ask()
    execute(postgres_server, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    answers = []
    for ask in asked:
        try:
            ask()
            answers.append(True)
        except sa.exc.OperationalError:
            answers.append(False)
    return answers


def test_what_is_recorded_is_the_same(recorded):
    assert len(recorded["batched"][0]["first"]) == len(KEYS) == 48
    assert recorded["batched"][0] == recorded["dagster"][0]


@pytest.mark.parametrize("table", TABLES)
def test_the_tables_hold_the_same(recorded, table):
    assert recorded["batched"][1][table] == recorded["dagster"][1][table]
    assert recorded["batched"][1][table]


def test_every_event_has_a_number_of_its_own(recorded):
    ids = recorded["batched"][3]
    assert len(set(ids)) == len(ids) == len(recorded["dagster"][3])


def test_no_check_stays_planned_for_hours_that_it_is_never_evaluated_for(recorded):
    assert recorded["batched"][2] == ["FAILED", "SUCCEEDED"]
    assert recorded["dagster"][2].count("PLANNED") == 2 * len(KEYS), "what this is for"


def test_a_web_server_answers_at_once_after_its_database_was_restarted(recorded):
    assert recorded["batched"][4] == [True, True, True]
    assert recorded["dagster"][4] == [False, False, False], "what this is for"


def test_the_configuration_is_that_of_dagsters_own():
    assert OURS["custom"]["class"] == "BatchedPostgresStorage"
    assert set(OURS["custom"]["config"]) == {"postgres_db"}


LOG = """
import logging, sys
from dagster._utils.log import configure_loggers
from bionicpro_assets.postgres_storage import BatchedPostgresStorage
configure_loggers()
if sys.argv[1] == "ours":
    BatchedPostgresStorage.from_config_value(None, {"postgres_url": "postgresql+psycopg2://nowhere/x", "should_autocreate_tables": False})
# As dagster_postgres.utils says it when a connection fails.
logging.warning("Retrying")
logging.getLogger("dagster.daemon.SensorDaemon").info("a beat")
logging.getLogger("another").warning("a warning")
logging.getLogger("another").info("nobody asked")
"""


@pytest.mark.parametrize(("storage", "beats"), [("ours", 1), ("dagster's", 2)])
def test_no_line_of_the_daemons_comes_twice_after_a_connection_failed(storage, beats):
    done = subprocess.run([sys.executable, "-c", LOG, storage], text=True, capture_output=True, check=True)
    said = done.stdout + done.stderr
    assert said.count("a beat") == beats
    assert said.count("Retrying") == said.count("a warning") == 1
    assert "nobody" not in said


def storage_away(folder: Path, environment: pytest.MonkeyPatch) -> None:
    """Dagster's storage on a port where nobody listens, and no pauses between the attempts at it."""
    folder.mkdir()
    config = {"postgres_url": "postgresql+psycopg2://dagster:s3cret@127.0.0.1:1/dagster"}
    storage = {"custom": OURS["custom"] | {"config": config}}
    (folder / "dagster.yaml").write_text(yaml.safe_dump({"storage": storage}))
    environment.setenv("DAGSTER_HOME", str(folder))
    environment.setattr("dagster_postgres.utils.calculate_delay", lambda **_: 0)


@pytest.mark.parametrize("command", ["status", "materialize"])
def test_a_storage_that_is_away_is_said_in_a_sentence(clean_environment, tmp_path, monkeypatch, command):
    storage_away(tmp_path / "home", monkeypatch)
    for name in ("CRM_DB", "TELEMETRY_DB"):
        monkeypatch.setenv(f"BIONICPRO_{name}_URL", "postgresql://etl@127.0.0.1:1/db")
    monkeypatch.setenv("BIONICPRO_CLICKHOUSE_URL", f"chdb://{tmp_path}/clickhouse")
    result = CliRunner().invoke(app, [command])
    assert result.exit_code == 2
    assert (
        "Dagster's storage can't be used: connection to server at \"127.0.0.1\", port 1 failed: Connection refused. "
        f"It is set in {tmp_path}/home/dagster.yaml.\n"
    ) in result.output
    assert "s3cret" not in result.output


def test_a_storage_that_goes_away_is_said_too(clean_environment, postgres_server, tmp_path, monkeypatch):
    """It was there when the command began."""
    url = urlunsplit(urlsplit(postgres_server)._replace(scheme="postgresql+psycopg2", path="/dropped"))
    (tmp_path / "dagster.yaml").write_text(
        yaml.safe_dump({"storage": {"custom": OURS["custom"] | {"config": {"postgres_url": url}}}})
    )
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setattr("dagster_postgres.utils.calculate_delay", lambda **_: 0)
    settings = Settings(
        BIONICPRO_CRM_DB_URL="postgresql://nobody@nowhere/none",
        BIONICPRO_TELEMETRY_DB_URL="postgresql://nobody@nowhere/none",
        BIONICPRO_CLICKHOUSE_URL="chdb:///nowhere",
    )
    execute(postgres_server, "CREATE DATABASE dropped", autocommit=True)

    def while_it_goes_away():
        with dagster_instance(settings) as opened:
            execute(postgres_server, "DROP DATABASE dropped WITH (FORCE)", autocommit=True)
            opened.get_runs_count()

    with pytest.raises(PlatformError, match=r"^Dagster's storage can't be used: .*dropped"):
        while_it_goes_away()
