"""The embedded PostgreSQL after its users, or the machine, ended at a bad moment."""

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from bionicpro_assets.setup.embedded import embedded_postgres
from bionicpro_assets_tests.folders import folder_for_postgres
from bionicpro_assets_tests.integration.sources import execute

USE = """
import os, signal, sys
from pathlib import Path
from bionicpro_assets.setup.embedded import embedded_postgres
with embedded_postgres(Path(sys.argv[1])):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def folder():
    with folder_for_postgres() as made:
        yield made / "postgres"


def server(folder) -> psutil.Process:
    return psutil.Process(int((folder / "postmaster.pid").read_text().split()[0]))


def server_of_a_killed_user(folder) -> psutil.Process:
    user = subprocess.run([sys.executable, "-W", "ignore", "-c", USE, folder], check=False)
    assert user.returncode == -signal.SIGKILL
    return server(folder)


def until_ended(process: psutil.Process) -> None:
    deadline = time.monotonic() + 20
    while runs(process):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def runs(process: psutil.Process) -> bool:
    """A process that nobody waits for stays as a zombie where nothing reaps them, as in many containers."""
    return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)


def test_a_server_whose_user_was_killed_is_used_and_stops_with_the_next(folder):
    left = server_of_a_killed_user(folder)
    with embedded_postgres(folder) as urls:
        assert server(folder) == left
        assert execute(urls["crm_db"], "SELECT 1") == [(1,)]
    assert not runs(left)


def test_after_a_reboot_numbers_of_other_processes_are_not_taken_for_its_own(folder):
    left = server_of_a_killed_user(folder)
    noted = (folder / "postmaster.pid").read_text().splitlines()
    for process in [left, *left.children(recursive=True)]:
        process.kill()
    until_ended(left)
    # This process stands for one that was started after the reboot, and got the server's number and a user's.
    noted[0] = str(os.getpid())
    (folder / "postmaster.pid").write_text("\n".join(noted) + "\n")
    (folder / ".handle_pids.json").write_text(json.dumps([os.getpid()]))
    before_boot = psutil.Process().create_time() - 60
    for file in ("postmaster.pid", ".handle_pids.json"):
        os.utime(folder / file, (before_boot, before_boot))
    with embedded_postgres(folder) as urls:
        assert execute(urls["crm_db"], "SELECT 7") == [(7,)]
        started = server(folder)
    assert not runs(started)
