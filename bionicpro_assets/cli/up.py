"""`bionicpro up`."""

import errno
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from bionicpro_assets.cli.console import console
from bionicpro_assets.cli.guard import guard
from bionicpro_assets.cli.services import STOP_SECONDS, Starter, answers
from bionicpro_assets.databases import clickhouse_of, telemetry_of
from bionicpro_assets.errors import PlatformError
from bionicpro_assets.instance import dagster_home
from bionicpro_assets.settings import Settings
from bionicpro_assets.setup.clickhouse import apply_clickhouse_schema
from bionicpro_assets.setup.demo import Fleet, append_telemetry, demo_databases, write_env_file
from bionicpro_assets.setup.embedded import sources_running

HOST = "127.0.0.1"
DEMO_TELEMETRY_SECONDS = 60.0


def run_up(port: int) -> None:
    """Start everything, wait for Ctrl-C or for a process that ends, stop everything.

    Raises:
        PlatformError: The port is taken, the settings are wrong, or a process doesn't start or ends by itself.
    """
    _require_free(port)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    with ExitStack() as stack:
        settings = _settings(stack)
        stack.enter_context(sources_running(settings))
        with clickhouse_of(settings) as clickhouse:
            apply_clickhouse_schema(clickhouse)
        stack.enter_context(_demo_telemetry(settings, stopping))
        starter = Starter(dagster_home(settings), stack.enter_context(guard()), stopping)
        code_server, workspace = stack.enter_context(starter.code_server())
        of_it, at = ["--workspace", str(workspace)], ["--host", HOST, "--port", str(port)]
        services = [
            code_server,
            stack.enter_context(starter.service("dagster-daemon", ["run", *of_it])),
            stack.enter_context(
                starter.service("python", ["-m", "bionicpro_assets.webserver", *of_it, *at], "dagster-webserver")
            ),
        ]
        url = f"http://{HOST}:{port}"
        starter.wait_until(lambda: answers(f"{url}/server_info"), "The Dagster UI", services)
        if not stopping.is_set():
            console.print(f"The Dagster UI is at {url}, and the schedule is on. Ctrl-C stops it all.")
        while not stopping.wait(1.0):
            for service in services:
                service.check()
        console.print("Stopping …")


def _require_free(port: int) -> None:
    """Before anything is started: whoever has the port would be taken for the UI, as long as it answers."""
    with socket.socket() as tried:
        # As the webserver does it: connections of one that has just ended are in nobody's way.
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((HOST, port))
        except OSError as error:
            why = "is taken" if error.errno == errno.EADDRINUSE else f"can't be listened on ({error.strerror})"
            raise PlatformError(f"{HOST}:{port} {why}; name another --port.") from None


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
