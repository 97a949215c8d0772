"""The code server that `bionicpro up` starts for the webserver and the daemon."""

import json
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from typer.testing import CliRunner

from bionicpro_assets.cli.main import app
from bionicpro_assets.cli.services import CODE_LOCATION, Service, Starter
from bionicpro_assets.defs import keys
from bionicpro_assets.errors import PlatformError
from bionicpro_assets.sqlfiles import PROJECT

SETTINGS = {
    "BIONICPRO_CRM_DB_URL": "postgresql://reader@127.0.0.1:1/crm",
    "BIONICPRO_TELEMETRY_DB_URL": "postgresql://reader@127.0.0.1:1/telemetry",
}


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """DAGSTER_HOME, and settings of databases that needn't be there."""
    nothing = tmp_path / "empty.env"
    nothing.touch()
    monkeypatch.setenv("BIONICPRO_ENV_FILE", str(nothing))
    monkeypatch.setenv("BIONICPRO_HOME", str(tmp_path))
    monkeypatch.setenv("BIONICPRO_CLICKHOUSE_URL", f"chdb://{tmp_path}/clickhouse")
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    # As deep as a folder may be: longer than the path of a socket.
    made: Path = tmp_path / ("h" * 120)
    made.mkdir()
    shutil.copy(PROJECT / "dagster.yaml", made)
    return made


@contextmanager
def code_server(home: Path) -> Iterator[tuple[Service, Path]]:
    with Starter(home, lambda _: None, threading.Event()).code_server() as started:
        yield started


def test_it_serves_the_code_location_to_all_who_have_its_workspace(home):
    with code_server(home) as (_, workspace), dg.DagsterInstance.from_config(str(home)) as instance:
        for _ in ("the webserver", "the daemon"):
            with WorkspaceProcessContext(instance, WorkspaceFileTarget([str(workspace)])) as context:
                location = context.create_request_context().get_code_location(CODE_LOCATION)
                (repository,) = location.get_repositories().values()
                assert repository.has_job(keys.JOB)
        only_its_owner = workspace.parent.stat().st_mode & 0o077
        assert only_its_owner == 0, "whoever can connect can run code"
    assert not workspace.parent.exists()


def test_it_is_found_under_the_name_that_the_shipped_workspace_gives_it(home):
    shipped = yaml.safe_load((PROJECT / "workspace.yaml").read_text())
    assert shipped["load_from"][0]["python_module"]["location_name"] == CODE_LOCATION
    with code_server(home) as (_, workspace):
        (location,) = json.loads(workspace.read_text())["load_from"]
    assert location["grpc_server"]["location_name"] == CODE_LOCATION


def test_its_end_is_noticed(home):
    with code_server(home) as (service, _):
        service.check()
        service.process.kill()
        service.process.wait()
        with pytest.raises(PlatformError, match="dagster-code-server ended by itself, with status -9; see .*log"):
            service.check()


def test_a_port_that_is_taken_is_said_before_anything_is_started(home, tmp_path):
    """Another web server there would answer in the UI's place, and the message would say that the UI is there."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = CliRunner().invoke(app, ["up", "--port", str(port)])
    assert result.exit_code == 2
    assert result.output == f"127.0.0.1:{port} is taken; name another --port.\n"
    assert not (tmp_path / "clickhouse").exists()


def test_code_that_cannot_be_loaded_ends_the_start(home, monkeypatch):
    monkeypatch.setenv("BIONICPRO_REPORT_TIMEZONE", "Mars/Olympus")
    with pytest.raises(PlatformError, match="dagster-code-server ended by itself"), code_server(home):
        pass
    assert "BIONICPRO_REPORT_TIMEZONE: is not an IANA time zone" in (home / "dagster-code-server.log").read_text()
