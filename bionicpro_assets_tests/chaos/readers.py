"""Readers that ask the mart as fast as they can, and the states that they may have seen."""

import threading
from collections import Counter, defaultdict
from contextlib import ExitStack
from datetime import UTC, datetime

from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.table import HourlyTable
from bionicpro_assets_tests.chaos.writer import MART

Hour = tuple[str, int]
State = frozenset[tuple[Hour, int, int]]
Totals = dict[tuple[Hour, int], tuple[int, int]]


class Readers:
    """Threads that poll the public name, each over a connection of its own, until the `with` ends."""

    def __init__(self, url: str, count: int) -> None:
        self.url, self.answers, self.errors = url, Counter[State](), list[Exception]()
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._threads = [threading.Thread(target=self._poll) for _ in range(count)]

    def __enter__(self) -> "Readers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def polls(self) -> int:
        return sum(self.answers.values())

    def _poll(self) -> None:
        with ExitStack() as stack:
            clickhouse = stack.enter_context(ClickHouse(self.url))
            query = by_hour(clickhouse, MART)
            while not self._stop.is_set():
                try:
                    state = frozenset(((str(d), h), n, total) for d, h, n, total in clickhouse.rows(query)[1])
                except Exception as error:
                    self.errors.append(error)
                    return
                with self._lock:
                    self.answers[state] += 1


def by_hour(clickhouse: ClickHouse, relation: str, more: str = "") -> str:
    """Count and checksum of all that a reader sees, by hour."""
    columns = ", ".join(HourlyTable.of(clickhouse, MART).public_columns)
    by = f"report_date, report_hour{more}"
    return f"SELECT {by}, count(), sum(cityHash64(tuple({columns}))) FROM {relation} GROUP BY {by}"


def stored_totals(clickhouse: ClickHouse) -> Totals:
    """Count and checksum of all rows that are stored, seen or not, by hour and publication."""
    _, stored = clickhouse.rows(by_hour(clickhouse, "storage.user_prosthesis_stats", ", publication"))
    return {((str(d), h), number): (count, total) for d, h, number, count, total in stored}


def published_states(clickhouse: ClickHouse, rows: Totals) -> set[State]:
    """Every state the mart was in by its journal: after each commit, in the order in which they became visible.

    Two commits at nearly the same moment may have become visible in the other order: that is allowed too.

    Args:
        clickhouse: Where the journal is, which no sweep touches.
        rows: Totals of all publications, those that have been swept since among them.
    """
    _, journal = clickhouse.rows(
        "SELECT run_id, toUnixTimestamp64Micro(started_at), toUnixTimestamp64Micro(committed_at), "
        "toUnixTimestamp(hour_start), publication, toUnixTimestamp64Micro(source_read_at) FROM storage.publications "
        f"WHERE table_name = '{MART}'"
    )
    commits: dict[tuple[str, int], list[tuple[int, Hour, tuple[int, int, int]]]] = defaultdict(list)
    for run_id, started, committed, seconds, number, read in journal:
        hour = datetime.fromtimestamp(seconds, UTC)
        commits[run_id, started].append((committed, (f"{hour:%Y-%m-%d}", hour.hour), (read, started, number)))
    ordered = sorted(commits.values(), key=lambda entries: entries[0][0])
    current: dict[Hour, tuple[int, int, int]] = {}

    def after(entries: list[tuple[int, Hour, tuple[int, int, int]]]) -> dict[Hour, tuple[int, int, int]]:
        return current | {h: place for _, h, place in entries if place > current.get(h, (0, 0, 0))}

    def state(places: dict[Hour, tuple[int, int, int]]) -> State:
        found = {hour: rows.get((hour, place[2])) for hour, place in places.items()}
        return frozenset((hour, *totals) for hour, totals in found.items() if totals)

    states = {state(current)}
    for i, entries in enumerate(ordered):
        states |= {state(after(later)) for later in ordered[i : i + 2]}
        current = after(entries)
        states.add(state(current))
    return states
