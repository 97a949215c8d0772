"""The run launcher: Dagster's own, and it notices runs whose process died with everything around it."""

import json
import socket
from contextlib import closing
from pathlib import Path

import dagster as dg
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus

from bionicpro_assets.locks import is_locked

# Dagster writes on every run where the code server is that has its process.
CODE_SERVER_TAG = ".dagster/grpc_info"
# A run of `bionicpro materialize` has no code server: it holds a lock on this file for as long as its process lives.
LOCK_TAG = "bionicpro/lock"
CONNECT_SECONDS = 5.0


class WatchedRunLauncher(dg.DefaultRunLauncher):
    """Starts runs in the code server, like Dagster's own, and tells run monitoring which of them still live.

    A code server reports at once when the process of a run dies. When it dies too (a power cut, the end of
    `bionicpro up` by SIGKILL), nobody is left to report: with Dagster's own launcher the run counts as in progress
    until its time limit, half an hour, and with one run at a time all others wait behind it.
    """

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Yes: that is what this class is for."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """NOT_FOUND where the run's process is certainly gone, RUNNING otherwise.

        What can't be told counts as running, and is ended by its time limit.
        """
        if server := run.tags.get(CODE_SERVER_TAG):
            if not _listens(**json.loads(server)):
                return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "its code server is gone, and the run with it")
        # Without the file, the process is about to report its end, or is on another machine.
        elif (lock := Path(run.tags.get(LOCK_TAG, ""))).is_file() and not is_locked(lock):
            return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "the process that ran it is gone")
        return CheckRunHealthResult(WorkerStatus.RUNNING)


def _listens(host: str = "localhost", port: int | None = None, socket: str | None = None, **_: object) -> bool:
    """Whether anybody accepts connections there. A busy server does: the kernel answers for it."""
    try:
        with closing(_connected(socket or (host, port or 0))):
            return True
    except (ConnectionRefusedError, FileNotFoundError):
        return False
    except OSError:
        return True


def _connected(address: str | tuple[str, int]) -> socket.socket:
    if not isinstance(address, str):
        return socket.create_connection(address, CONNECT_SECONDS)
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(CONNECT_SECONDS)
    try:
        made.connect(address.removeprefix("unix:"))
    except OSError:
        made.close()
        raise
    return made
