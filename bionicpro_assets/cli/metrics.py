"""`bionicpro metrics`."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from prometheus_client import generate_latest

from bionicpro_assets.cli.console import console
from bionicpro_assets.databases import clickhouse_of
from bionicpro_assets.definitions import build_definitions
from bionicpro_assets.defs.metric_facts import dagster_sources
from bionicpro_assets.errors import AnswerError
from bionicpro_assets.instance import dagster_instance
from bionicpro_assets.metrics import families
from bionicpro_assets.metrics.collector import PlatformCollector, Read, registry_of
from bionicpro_assets.metrics.families import Sample
from bionicpro_assets.metrics.journal import journal_metrics
from bionicpro_assets.metrics.server import MetricsServer
from bionicpro_assets.settings import Settings


def run_metrics(host: str, port: int, seconds: float, *, once: bool) -> None:
    """Print the metrics once, or answer scrapes until the process is told to stop.

    Raises:
        AnswerError: With `once`, a source couldn't be read; the metrics of the others are printed.
        PlatformError: The settings are wrong, or the port is taken.
    """
    settings = Settings.load()
    with dagster_instance(settings) as instance:
        collector = PlatformCollector(sources_of(settings, instance), seconds)
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


def sources_of(settings: Settings, instance: dg.DagsterInstance) -> dict[str, Read]:
    """Every source that can be read with these settings.

    The embedded engine can't: it serves one process at a time, and a run must find it free.
    """
    sources = dict(dagster_sources(instance, build_definitions(settings).get_repository_def()))
    if not settings.secret("BIONICPRO_CLICKHOUSE_URL").startswith("chdb:"):

        def journal() -> list[Sample]:
            # A connection a scrape: one that broke would have to be noticed, and opening one costs milliseconds.
            with clickhouse_of(settings) as clickhouse:
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
