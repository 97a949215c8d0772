"""Where the time of a refresh goes: seconds on the clock of each kind of work, without what lies within it.

Measured on the main thread, which everything waits for. What runs beside it (the second connection to a source, the
engine's own threads) shows as waiting, or not at all.
"""

import importlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import Any

# What is timed: a module, an attribute of it (of a class, with a dot), and what kind of work it is.
WORK = [
    ("extract.postgres", "PostgresSource.snapshot", "PostgreSQL: connecting"),
    ("extract.postgres", "Snapshot.read", "PostgreSQL: reading, or waiting for it"),
    ("extract.telemetry", "in_order", "PostgreSQL: reading, or waiting for it"),
    ("steps.crm", "_claimed", "ClickHouse: what earlier extracts know of wearers"),
    ("steps.crm", "known_timelines", "polars: wearers of the hours"),
    ("steps.crm", "attribute", "polars: wearers of the hours"),
    ("steps.mart", "join_telemetry_with_customers", "polars: the join"),
    ("load.publish", "fit", "polars: fitting to the tables"),
    ("load.publish", "checksums", "numpy: checksums of what is sent"),
    ("load.clickhouse", "ClickHouse.insert_arrow_stream", "ClickHouse: inserting"),
    ("quality.evaluate", "Look.audit", "ClickHouse: the look at the rows before they are visible"),
    ("load.publish", "check_parity", "ClickHouse: parity, what readers get"),
    ("load.publish", "current_entries", "ClickHouse: the journal"),
    ("load.table", "HourlyTable.stored_counts", "ClickHouse: counting rows of unchanged hours"),
    ("load.table", "Published.load", "ClickHouse: reading the extracts for the join, or taking them from memory"),
    ("defs.checks", "evaluate", "ClickHouse: claims on days and weeks, after the commit"),
    ("defs.resources", "require_clickhouse_schema", "ClickHouse: opening it"),
]
REST = "Dagster: steps, events, everything else"


class Where:
    """Seconds by kind of work, each without the seconds of the work within it.

    Args:
        clock: What counts them: `time.thread_time` counts processor time.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self.seconds: dict[str, float] = {}
        self._began = self._since = 0.0
        self._stack = [REST]

    def _switch(self) -> None:
        now = self._clock()
        self.seconds[self._stack[-1]] = self.seconds.get(self._stack[-1], 0.0) + now - self._since
        self._since = now

    def timed(self, kind: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, counted as that kind of work where the main thread runs it; a generator at every step of it."""

        @wraps(function)
        def counted(*arguments: Any, **named: Any) -> Any:
            if threading.current_thread() is not threading.main_thread():
                return function(*arguments, **named)
            result = self._counted(kind, lambda: function(*arguments, **named))
            return self._stepped(kind, result) if isinstance(result, Iterator) else result

        return counted

    def _counted(self, kind: str, work: Callable[[], Any]) -> Any:
        self._switch()
        self._stack.append(kind)
        try:
            return work()
        finally:
            self._switch()
            self._stack.pop()

    def _stepped(self, kind: str, steps: Iterator[Any]) -> Iterator[Any]:
        end = object()
        try:
            while (step := self._counted(kind, lambda: next(steps, end))) is not end:
                yield step
        finally:
            if close := getattr(steps, "close", None):
                close()

    def begin(self) -> None:
        """From here on everything counts."""
        self._since = self._clock()

    def end(self) -> Mapping[str, float]:
        """Seconds by kind, most first."""
        self._switch()
        return dict(sorted(self.seconds.items(), key=lambda item: -item[1]))

    def install(self) -> None:
        """Count the platform's own functions, of this process only.

        Raises:
            RuntimeError: One of them isn't there any more.
        """
        for module, attribute, kind in WORK:
            owner, name = _owner(module, attribute, kind)
            setattr(owner, name, self.timed(kind, getattr(owner, name)))
            # A kind that nobody works at stays at nothing, and the table says so.
            self.seconds.setdefault(kind, 0.0)


def require_names() -> None:
    """Refuse to begin when a name in WORK is gone: its work would be counted as somebody else's.

    Raises:
        RuntimeError: One of them isn't there any more.
    """
    for module, attribute, kind in WORK:
        _owner(module, attribute, kind)


def _owner(module: str, attribute: str, kind: str) -> tuple[Any, str]:
    """The module or class that has the function, and the function's name in it."""
    *path, name = attribute.split(".")
    try:
        owner: Any = importlib.import_module(f"bionicpro_assets.{module}")
        for part in path:
            owner = getattr(owner, part)
        getattr(owner, name)
    except (ImportError, AttributeError) as error:
        raise RuntimeError(
            f"bionicpro_assets.{module}.{attribute} isn't there any more ({error}); name in WORK of bench/where.py "
            f'what does the work "{kind}" now, or take the line out.'
        ) from None
    return owner, name


def as_table(seconds: Mapping[str, float]) -> str:
    """A Markdown table, shares first."""
    whole = sum(seconds.values())
    lines = ["| | share | s |", "|---|--:|--:|"]
    lines += [
        f"| {kind} | {took / whole:.0%} | {took:.2f} |" if took else f"| {kind} | never called | |"
        for kind, took in seconds.items()
    ]
    return "\n".join(lines)
