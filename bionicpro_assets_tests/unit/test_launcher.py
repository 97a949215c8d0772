"""What run monitoring is told of a run: gone only where that is certain."""

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from bionicpro_assets.launcher import CODE_SERVER_TAG, LOCK_TAG, WatchedRunLauncher
from bionicpro_assets.locks import held
from bionicpro_assets.sqlfiles import PROJECT


@pytest.fixture
def server(tmp_path) -> Iterator[tuple[socket.socket, Path]]:
    """A code server's socket, as far as anybody can tell from outside."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        yield listener, path


def health(**tags: str) -> str:
    run = dg.DagsterRun(job_name="job", tags=tags)
    return WatchedRunLauncher().check_run_worker_health(run).status.value


def test_a_run_whose_code_server_listens_is_left_to_it(server):
    assert health(**{CODE_SERVER_TAG: json.dumps({"host": "localhost", "socket": str(server[1])})}) == "RUNNING"


def test_a_run_whose_code_server_is_gone_is_gone(server):
    listener, path = server
    tags = {CODE_SERVER_TAG: json.dumps({"host": "localhost", "socket": str(path)})}
    listener.close()
    assert health(**tags) == "NOT_FOUND"
    path.unlink()
    assert health(**tags) == "NOT_FOUND"


def test_a_code_server_on_a_port_is_looked_for_there():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        tags = {CODE_SERVER_TAG: json.dumps({"host": "127.0.0.1", "port": listener.getsockname()[1], "use_ssl": True})}
        assert health(**tags) == "NOT_FOUND"
        listener.listen()
        assert health(**tags) == "RUNNING"


def test_a_run_without_a_code_server_lives_as_long_as_its_lock_is_held(tmp_path):
    lock = tmp_path / "locks" / "run"
    with held(lock):
        assert health(**{LOCK_TAG: str(lock)}) == "RUNNING"
    assert health(**{LOCK_TAG: str(lock)}) == "RUNNING", "it has ended in order, and will say so"
    lock.touch()
    assert health(**{LOCK_TAG: str(lock)}) == "NOT_FOUND"


def test_a_run_that_nothing_is_known_of_counts_as_running():
    assert health() == "RUNNING"


def test_the_instance_uses_it(tmp_path):
    shutil.copy(PROJECT / "dagster.yaml", tmp_path)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert isinstance(instance.run_launcher, WatchedRunLauncher)
        assert instance.run_launcher.supports_check_run_worker_health
