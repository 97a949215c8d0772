"""Dagster's processes, as `bionicpro up` starts and ends them."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bionicpro_assets.errors import PlatformError
from bionicpro_assets.folders import writing

CODE_LOCATION = "bionicpro_assets"
START_SECONDS = 90.0
STOP_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Service:
    """A running process of Dagster's, and the file it logs to."""

    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """Raises PlatformError if it has ended."""
        if self.process.poll() is not None:
            raise PlatformError(
                f"{self.log.stem} ended by itself, with status {self.process.returncode}; see {self.log}"
            )


@dataclass(frozen=True, slots=True)
class Starter:
    """Starts services.

    Attributes:
        home: `DAGSTER_HOME`, where they log to.
        tell_guard: Is told the process group of each.
        stopping: Set when they shall end: then nothing is waited for.
    """

    home: Path
    tell_guard: Callable[[int], None]
    stopping: threading.Event

    @contextmanager
    def code_server(self) -> Iterator[tuple[Service, Path]]:
        """The code location, loaded once for all others; and the workspace file by which they find it.

        Without it the webserver and the daemon have a code server each, and the daemon's is started anew every minute.
        """
        # Not in `home`: a socket's path may have 107 characters. Only its owner can enter the folder.
        with tempfile.TemporaryDirectory(prefix="bionicpro-") as folder:
            path, workspace = Path(folder) / "code-server", Path(folder) / "workspace.yaml"
            # JSON is YAML.
            location = {"socket": str(path), "location_name": CODE_LOCATION}
            workspace.write_text(json.dumps({"load_from": [{"grpc_server": location}]}))
            # Not `dagster code-server start`: it is a second process that stays when the one with the code has ended.
            served = ["api", "grpc", "--socket", str(path), "--module-name", "bionicpro_assets.definitions"]
            with self.service("dagster", served, "dagster-code-server") as service:
                self.wait_until(lambda: _listens(path), "The code server", [service])
                yield service, workspace

    @contextmanager
    def service(self, script: str, arguments: Sequence[str], name: str | None = None) -> Iterator[Service]:
        """A console script of this environment, for as long as this lasts."""
        log = self.home / f"{name or script}.log"
        with writing(log):
            output = log.open("wb")
        with output:
            process = subprocess.Popen(  # noqa: S603 - our own environment's script and our own arguments
                [str(Path(sys.executable).parent / script), *arguments],
                # Dagster loads a .env from the working directory into the environment, over the settings given here:
                # this folder has none.
                cwd=self.home,
                env={**os.environ, "DAGSTER_HOME": str(self.home), "PYTHONWARNINGS": "ignore"},
                stdout=output,
                stderr=subprocess.STDOUT,
                # A session of its own: Ctrl-C reaches it from here, once, and what it started ends with it.
                start_new_session=True,
            )
            try:
                self.tell_guard(process.pid)
                yield Service(process, log)
            finally:
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                # A run would outlive the code server that started it.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)

    def wait_until(self, answers: Callable[[], bool], what: str, services: Sequence[Service]) -> None:
        """Wait until it answers.

        Raises:
            PlatformError: It doesn't in time, or one of the services has ended.
        """
        deadline = time.monotonic() + START_SECONDS
        while not answers() and not self.stopping.wait(0.1):
            for service in services:
                service.check()
            if time.monotonic() > deadline:
                raise PlatformError(f"{what} didn't answer within {START_SECONDS:.0f} s; see {services[-1].log}")


def answers(url: str) -> bool:
    """Whether a web server does."""
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - an http URL on this machine
            return True
    except OSError:
        return False


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as made, suppress(OSError):
        made.connect(str(path))
        return True
    return False
