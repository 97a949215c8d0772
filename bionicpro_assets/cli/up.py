"""`bionicpro up`."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from bionicpro_assets.cli.console import console
from bionicpro_assets.cli.guard import guard
from bionicpro_assets.cli.services import STOP_SECONDS, Starter, answers
from bionicpro_assets.databases import clickhouse_of, telemetry_of
from bionicpro_assets.instance import dagster_home
from bionicpro_assets.settings import Settings
from bionicpro_assets.setup.clickhouse import apply_clickhouse_schema
from bionicpro_assets.setup.demo import Fleet, append_telemetry, demo_databases, write_env_file
from bionicpro_assets.setup.embedded import sources_running

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
        starter = Starter(dagster_home(settings), stack.enter_context(guard()), stopping)
        code_server, workspace = stack.enter_context(starter.code_server())
        of_it, at = ["--workspace", str(workspace)], ["--host", "127.0.0.1", "--port", str(port)]
        services = [
            code_server,
            stack.enter_context(starter.service("dagster-daemon", ["run", *of_it])),
            stack.enter_context(starter.service("dagster-webserver", [*of_it, *at])),
        ]
        url = f"http://127.0.0.1:{port}"
        starter.wait_until(lambda: answers(f"{url}/server_info"), "The Dagster UI", services)
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
