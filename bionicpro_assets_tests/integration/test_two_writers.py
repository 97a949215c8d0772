"""Two processes publish the same hours at the same time, over HTTP, and meet at a barrier before they commit."""

import multiprocessing
from collections.abc import Generator, Iterator, Sequence
from datetime import datetime, timedelta
from multiprocessing.synchronize import Barrier, Event
from typing import Any

import pytest

from bionicpro_assets.frames import HourlyFrame
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.table import JOURNAL
from bionicpro_assets.setup.clickhouse import apply_clickhouse_schema
from bionicpro_assets_tests.gateway.fixtures import RunningGateway, running_gateway
from bionicpro_assets_tests.integration.test_publish import NAME, A, B, hourly, later, visible
from bionicpro_assets_tests.publishing import publish_frame

PATIENCE = 60.0
C = B + timedelta(hours=1)
# The older read has A and B, the newer one B and C; each hour's rows say by their number and value whose they are.
OLDER, NEWER = hourly({A: [1] * 50, B: [1] * 50}, later(-2)), hourly({B: [2] * 40, C: [2] * 40}, later(-1))
BEFORE = {hour: [0] * 30 for hour in (A, B, C)}


class Meets(ClickHouse):
    """A ClickHouse whose process waits before the commit: until both have written all rows, then for its turn."""

    def __init__(self, url: str, written: Barrier, turn: Event) -> None:
        super().__init__(url)
        self.written, self.turn = written, turn

    def insert_arrow_stream(self, table: str, columns: Sequence[str], blocks: Generator[bytes, None, None]) -> None:
        if table == JOURNAL:
            self.written.wait(PATIENCE)
            assert self.turn.wait(PATIENCE)
        super().insert_arrow_stream(table, columns, blocks)


def write(url: str, frame: HourlyFrame, written: Barrier, turn: Event, said: Any) -> None:
    """A writer's process; it says which hours it was too late for."""
    with Meets(url, written, turn) as clickhouse:
        said.put(publish_frame(clickhouse, NAME, frame, run_id="writer", batch_size=7).superseded)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory) -> Iterator[RunningGateway]:
    with running_gateway(tmp_path_factory.mktemp("two") / "clickhouse") as running:
        with ClickHouse(running.url()) as clickhouse:
            apply_clickhouse_schema(clickhouse)
        yield running


class Writers:
    """Both writers, in processes of their own, each waiting for its turn."""

    def __init__(self, gateway: RunningGateway, *frames: HourlyFrame) -> None:
        processes = multiprocessing.get_context("forkserver")
        # Not this module: it makes frames, and the threads that polars makes them with aren't there after a fork.
        processes.set_forkserver_preload(["bionicpro_assets.load.publish"])
        self.written = processes.Barrier(len(frames) + 1)
        self.turns = [processes.Event() for _ in frames]
        self.said = [processes.Queue() for _ in frames]
        self.children = [
            processes.Process(target=write, args=(gateway.url(), frame, self.written, turn, said), daemon=True)
            for frame, turn, said in zip(frames, self.turns, self.said, strict=True)
        ]
        for child in self.children:
            child.start()

    def commit(self, number: int) -> list[datetime]:
        """Let one of them commit, and see it to its end; the hours it was too late for."""
        self.turns[number].set()
        superseded: list[datetime] = list(self.said[number].get(timeout=PATIENCE))
        self.children[number].join(PATIENCE)
        assert self.children[number].exitcode == 0
        return superseded


@pytest.fixture
def clickhouse(gateway) -> Iterator[ClickHouse]:
    gateway.empty()
    with ClickHouse(gateway.url()) as client:
        publish_frame(client, NAME, hourly(BEFORE, later(-3)), run_id="before", batch_size=10)
        yield client


def stored(clickhouse: ClickHouse) -> int:
    ((count,),) = clickhouse.rows("SELECT count() FROM storage.hourly_telemetry")[1]
    return int(count)


def test_the_older_read_commits_last_and_stays_unseen_where_both_have_the_hour(gateway, clickhouse):
    writers = Writers(gateway, OLDER, NEWER)
    writers.written.wait(PATIENCE)
    assert stored(clickhouse) == 3 * 30 + 2 * 50 + 2 * 40, "both have written, and neither is visible"
    assert visible(clickhouse) == BEFORE
    assert writers.commit(1) == []
    assert visible(clickhouse) == {A: [0] * 30, B: [2] * 40, C: [2] * 40}
    assert writers.commit(0) == [B]
    assert visible(clickhouse) == {A: [1] * 50, B: [2] * 40, C: [2] * 40}


def test_the_newer_read_commits_last_and_takes_over_where_both_have_the_hour(gateway, clickhouse):
    writers = Writers(gateway, OLDER, NEWER)
    writers.written.wait(PATIENCE)
    assert visible(clickhouse) == BEFORE
    assert writers.commit(0) == []
    assert visible(clickhouse) == {A: [1] * 50, B: [1] * 50, C: [0] * 30}
    assert writers.commit(1) == []
    assert visible(clickhouse) == {A: [1] * 50, B: [2] * 40, C: [2] * 40}


def test_two_that_commit_at_once_leave_every_hour_whole(gateway, clickhouse):
    """Reads of the same instant: either may win, for all hours alike, and neither in part."""
    values = ([1] * 50, [2] * 40)
    writers = Writers(gateway, *(hourly({A: v, B: v, C: v}, later(-1)) for v in values))
    writers.written.wait(PATIENCE)
    for turn in writers.turns:
        turn.set()
    superseded = [said.get(timeout=PATIENCE) for said in writers.said]
    for child in writers.children:
        child.join(PATIENCE)
        assert child.exitcode == 0
    found = visible(clickhouse)
    assert found in [{A: v, B: v, C: v} for v in values]
    winner = values.index(found[A])
    assert superseded[winner] == []
