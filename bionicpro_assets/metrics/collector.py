"""Reading all sources at once and within a time limit, whatever becomes of one of them."""

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from bionicpro_assets.errors import PlatformError
from bionicpro_assets.metrics.families import DURATION, ERROR, FAMILIES, Sample

Read = Callable[[], Iterable[Sample]]

# Prometheus gives up after 10 seconds, if it isn't told otherwise; then all would be lost, and not one source only.
SCRAPE_SECONDS = 8.0


class PlatformCollector(Collector):
    """Reads the sources at every scrape.

    A source that fails, or doesn't answer in time, is a `bionicpro_scrape_error`, and the others come all the same. One
    that is still at work for an earlier scrape isn't asked a second time.

    Args:
        sources: How each source is read, by name. A source is read by one thread at a time.
        seconds: How long a scrape may take.
    """

    def __init__(self, sources: Mapping[str, Read], seconds: float = SCRAPE_SECONDS) -> None:
        self._readings = {name: _Readings(name, read) for name, read in sources.items()}
        self._seconds = seconds

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One scrape: every metric, also one without a sample."""
        deadline = time.monotonic() + self._seconds
        under_way = [readings.begin() for readings in self._readings.values()]
        samples = [sample for reading in under_way for sample in reading.wait(deadline)]
        for family in FAMILIES:
            metric = GaugeMetricFamily(family.name, family.words, labels=family.labels)
            for name, labels, value in samples:
                if name == family.name:
                    metric.add_metric(labels, value)
            yield metric

    @property
    def failing(self) -> list[str]:
        """The sources that failed at the last scrape."""
        return [name for name, readings in self._readings.items() if readings.complaint]


class _Readings:
    """The readings of one source, one after another."""

    def __init__(self, name: str, read: Read) -> None:
        self.name, self.read = name, read
        self.complaint = ""
        self._last: _Reading | None = None
        self._lock = threading.Lock()

    def begin(self) -> "_Reading":
        with self._lock:
            if self._last is None or not self._last.thread.is_alive():
                self._last = _Reading(self)
            return self._last

    def complain(self, complaint: str) -> None:
        """Say what is wrong when it begins, and not at every scrape."""
        if complaint and complaint != self.complaint:
            print(f"metrics: {self.name}: {complaint}", file=sys.stderr, flush=True)  # noqa: T201 - the service's log
        self.complaint = complaint


class _Reading:
    """One reading, in a thread of its own that doesn't keep the process from ending."""

    def __init__(self, readings: _Readings) -> None:
        self._readings = readings
        self._began = time.monotonic()
        self._samples: Sequence[Sample] | None = None
        self._complaint = ""
        self.thread = threading.Thread(target=self._read, name=f"metrics {readings.name}", daemon=True)
        self.thread.start()

    def wait(self, deadline: float) -> list[Sample]:
        self.thread.join(max(0.0, deadline - time.monotonic()))
        source = (self._readings.name,)
        complaint = "it takes too long" if self.thread.is_alive() else self._complaint
        self._readings.complain(complaint)
        if complaint or self._samples is None:
            return [Sample(ERROR, source, 1)]
        return [*self._samples, Sample(ERROR, source, 0), Sample(DURATION, source, self._took)]

    def _read(self) -> None:
        try:
            self._samples = list(self._readings.read())
        except PlatformError as error:
            self._complaint = str(error)
        except Exception as error:
            # Whatever it is, the other sources must come. Its text may quote an address with a password.
            self._complaint = f"it can't be read ({type(error).__name__})"
        self._took = time.monotonic() - self._began


def registry_of(collector: PlatformCollector) -> CollectorRegistry:
    """A registry with nothing but this platform's metrics."""
    registry = CollectorRegistry()
    registry.register(collector)
    return registry
