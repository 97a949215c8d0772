"""`bionicpro metrics`."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import dagster as dg
from prometheus_client import generate_latest

from bionicpro_assets.cli.console import console
from bionicpro_assets.databases import reader_of
from bionicpro_assets.definitions import build_definitions
from bionicpro_assets.defs.metric_facts import dagster_sources
from bionicpro_assets.errors import AnswerError, PlatformError
from bionicpro_assets.instance import dagster_instance
from bionicpro_assets.metrics import families
from bionicpro_assets.metrics.collector import PlatformCollector, Read, registry_of
from bionicpro_assets.metrics.families import Sample
from bionicpro_assets.metrics.journal import journal_metrics
from bionicpro_assets.metrics.server import MetricsServer
from bionicpro_assets.settings import Settings

# All of a scrape's sources ask for the instance, and Dagster tries for some seconds: once is enough.
SECONDS_BEFORE_ANOTHER_TRY = 5.0


def run_metrics(host: str, port: int, seconds: float, *, once: bool) -> None:
    """Print the metrics once, or answer scrapes until the process is told to stop.

    Raises:
        AnswerError: With `once`, a source couldn't be read; the metrics of the others are printed.
        PlatformError: The settings are wrong, or the port is taken.
    """
    settings = Settings.load()
    with ExitStack() as stack:
        collector = PlatformCollector(sources_of(settings, Opened(settings, stack)), seconds)
        registry = registry_of(collector)
        if once:
            sys.stdout.write(generate_latest(registry).decode())
            if collector.failing:
                raise AnswerError(f"Not all could be read: {', '.join(collector.failing)}.")
            return
        server = MetricsServer(registry, host, port)
        with _stopped_by_signals(server):
            console.print(f"Metrics are at http://{host}:{server.port}/metrics.", highlight=False)
            server.serve()


class Opened:
    """Dagster's instance, opened when a source first asks for it: where that fails, the others come all the same.

    Args:
        settings: The platform's settings.
        stack: What closes it.
    """

    def __init__(self, settings: Settings, stack: ExitStack) -> None:
        self._settings, self._stack = settings, stack
        self._lock = threading.Lock()
        self._instance: dg.DagsterInstance | None = None
        self._failure: tuple[float, PlatformError] | None = None

    def __call__(self) -> dg.DagsterInstance:
        """The instance.

        Raises:
            PlatformError: Its storage can't be used.
        """
        with self._lock:
            if self._failure and time.monotonic() - self._failure[0] < SECONDS_BEFORE_ANOTHER_TRY:
                raise self._failure[1]
            if self._instance is None:
                try:
                    self._instance = self._stack.enter_context(dagster_instance(self._settings))
                except PlatformError as error:
                    self._failure = time.monotonic(), error
                    raise
            return self._instance


def sources_of(settings: Settings, instance: dg.DagsterInstance | Callable[[], dg.DagsterInstance]) -> dict[str, Read]:
    """Every source that can be read with these settings; of Dagster's instance, or of what opens it.

    The embedded engine can't: it serves one process at a time, and a run must find it free.
    """
    opened = instance if callable(instance) else lambda: instance
    sources = dict(dagster_sources(opened, build_definitions(settings).get_repository_def()))
    if not settings.secret("BIONICPRO_CLICKHOUSE_URL").startswith("chdb:"):

        def journal() -> list[Sample]:
            # A connection a scrape: one that broke would have to be noticed, and opening one costs milliseconds.
            with reader_of(settings) as clickhouse:
                return list(journal_metrics(clickhouse))

        sources[families.JOURNAL] = journal
    return sources


@contextmanager
def _stopped_by_signals(server: MetricsServer) -> Iterator[None]:
    def stop(*_: object) -> None:
        # Not in the handler: it interrupts the very loop that closing waits for.
        threading.Thread(target=server.close).start()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    yield
