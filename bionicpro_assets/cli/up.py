"""`bionicpro up`."""

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bionicpro_assets.cli.console import console
from bionicpro_assets.cli.guard import guard
from bionicpro_assets.databases import clickhouse_of, telemetry_of
from bionicpro_assets.errors import PlatformError
from bionicpro_assets.instance import PROJECT, dagster_home
from bionicpro_assets.settings import Settings
from bionicpro_assets.setup.clickhouse import apply_clickhouse_schema
from bionicpro_assets.setup.demo import Fleet, append_telemetry, demo_databases, write_env_file
from bionicpro_assets.setup.embedded import sources_running

START_SECONDS = 90.0
STOP_SECONDS = 20.0
DEMO_TELEMETRY_SECONDS = 60.0


def run_up(port: int) -> None:
    """Start everything, wait for Ctrl-C or for a process that ends, stop everything.

    Raises:
        PlatformError: The settings are wrong, or a process doesn't start or ends by itself.
    """
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    with ExitStack() as stack:
        settings = _settings(stack)
        stack.enter_context(sources_running(settings))
        with clickhouse_of(settings) as clickhouse:
            apply_clickhouse_schema(clickhouse)
        stack.enter_context(_demo_telemetry(settings, stopping))
        home, workspace = dagster_home(settings), ["--workspace", str(PROJECT / "workspace.yaml")]
        webserver = ["--host", "127.0.0.1", "--port", str(port), *workspace]
        tell_guard = stack.enter_context(guard())
        services = [
            stack.enter_context(_service("dagster-webserver", webserver, home, tell_guard)),
            stack.enter_context(_service("dagster-daemon", ["run", *workspace], home, tell_guard)),
        ]
        url = f"http://127.0.0.1:{port}"
        _wait_for(f"{url}/server_info", services, stopping)
        if not stopping.is_set():
            console.print(f"The Dagster UI is at {url}, and the schedule is on. Ctrl-C stops it all.")
        while not stopping.wait(1.0):
            for service in services:
                service.check()
        console.print("Stopping …")


def _settings(stack: ExitStack) -> Settings:
    """The settings; where nothing is configured at all, those of the demo."""
    nothing_configured = not Path(".env").exists() and not any(n.startswith("BIONICPRO_") for n in os.environ)
    if nothing_configured:
        console.print("Nothing is configured here: making the demo databases in .bionicpro …")
        home = Path(".bionicpro")
        write_env_file(stack.enter_context(demo_databases(home, Fleet())), home)
    elif "BIONICPRO_ENV_FILE" not in os.environ and not Path(".env").exists():
        return Settings.load()
    # The processes started here have another working directory.
    os.environ.setdefault("BIONICPRO_ENV_FILE", str(Path(".env").resolve()))
    return Settings.load()


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


@contextmanager
def _service(name: str, arguments: list[str], home: Path, tell_guard: Callable[[int], None]) -> Iterator[Service]:
    """A console script of this environment, for as long as this lasts."""
    log = home / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own environment's script and our own arguments
            [str(Path(sys.executable).parent / name), *arguments],
            # Dagster loads a .env from the working directory into the environment, over the settings given here:
            # this folder has none.
            cwd=home,
            env={**os.environ, "DAGSTER_HOME": str(home), "PYTHONWARNINGS": "ignore"},
            stdout=output,
            stderr=subprocess.STDOUT,
            # A session of its own: Ctrl-C reaches it from here, once, and what it started ends with it.
            start_new_session=True,
        )
        try:
            tell_guard(process.pid)
            yield Service(process, log)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            # A code server with a run in it would outlive the service that started it.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)


def _wait_for(url: str, services: list[Service], stopping: threading.Event) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not stopping.wait(0.3):
        for service in services:
            service.check()
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - an http URL on this machine
                return
        except OSError:
            if time.monotonic() > deadline:
                raise PlatformError(
                    f"The Dagster UI didn't answer within {START_SECONDS:.0f} s; see {services[0].log}"
                ) from None


@contextmanager
def _demo_telemetry(settings: Settings, stopping: threading.Event) -> Iterator[None]:
    """Where the telemetry is the demo's, prostheses go on sending while this lasts."""
    source = telemetry_of(settings)
    fleet = Fleet.read(settings.home) if settings.embedded_postgres else None
    if fleet is None:
        yield
        return

    def send() -> None:
        while not stopping.wait(DEMO_TELEMETRY_SECONDS):
            append_telemetry(source, fleet, datetime.now(UTC))

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(STOP_SECONDS)
