"""Processes of a running `bionicpro up` end by SIGKILL in the middle of a publication; it heals by itself.

Real processes, real engines. The moment of the kill is read from ClickHouse's own folder: the new rows of the mart are
written, and not committed. One story, in the order of its tests.
"""

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from dotenv import dotenv_values

from bionicpro_assets.extract.postgres import PostgresSource
from bionicpro_assets.hours import HOUR, parse_hour, partition_key
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.setup.embedded import embedded_postgres
from bionicpro_assets_tests.e2e.upping import (
    BIONICPRO,
    Up,
    ask,
    bionicpro,
    environment,
    free_port,
    kill,
    postgres,
    running_up,
    until,
)
from bionicpro_assets_tests.folders import folder_for_postgres
from bionicpro_assets_tests.integration.platform import mart_rows
from bionicpro_assets_tests.integration.sources import Sources, execute

pytestmark = pytest.mark.slow

# Closed hours, the first ones that there are.
HOURS, WINDOW = 6, 3
PROSTHESES = 30_000  # so many that a publication takes a while
MART = "reports.user_prosthesis_stats"
# What a reader sees of the window, in numbers that any changed value of any row would change.
STATE = (
    "SELECT count() AS n, sum(movements_count) AS movements, groupBitXor(cityHash64(* EXCEPT (etl_processed_at))) AS content "
    f"FROM {MART} WHERE toDateTime(report_date, 'UTC') + INTERVAL report_hour HOUR <= toDateTime({{last}}, 'UTC')"
)
UNCOMMITTED = """SELECT uniqExact(publication) AS publications, count() AS n FROM storage.user_prosthesis_stats
WHERE (hour_start, publication) NOT IN (SELECT hour_start, publication FROM storage.publications
    WHERE table_name = 'reports.user_prosthesis_stats')"""
FITTED = """
    WITH c AS (
        INSERT INTO crm.customers (external_id, first_name, last_name, email, region)
        SELECT 'many-' || n, 'Анна', 'Иванова', 'many-' || n || '@example.org', 'russia' FROM generate_series(1, %(n)s) AS n
        RETURNING customer_id, external_id)
    INSERT INTO crm.prostheses (serial_number, model_id, customer_id, chip_id, status)
    SELECT 'S-' || external_id, (SELECT min(model_id) FROM crm.prosthesis_models), customer_id, 'C-' || external_id, 'active'
    FROM c"""
SENT = """
    INSERT INTO telemetry.hourly_stats (chip_id, hour_start, movements_count, successful_movements, avg_response_time)
    SELECT 'C-many-' || n, hour, n %% 1000, n %% 500, n %% 300 / 7.0
    FROM generate_series(1, %(n)s) AS n, generate_series(%(first)s, %(last)s, interval '1 hour') AS hour
    ON CONFLICT (chip_id, hour_start) DO UPDATE SET
        movements_count = hourly_stats.movements_count + 1, updated_at = clock_timestamp()"""


@dataclass(frozen=True)
class Demo:
    """A demo with a larger fleet, whose new numbers nobody has loaded yet."""

    folder: Path
    urls: dict[str, str]
    first: datetime
    parts: Path
    port: int

    @property
    def last(self) -> datetime:
        return self.first + (WINDOW - 1) * HOUR

    @property
    def window(self) -> dict[str, str]:
        return range_of(self.first, self.last)

    def change_telemetry(self) -> None:
        """Other numbers, in every row of the window."""
        numbers = {"n": PROSTHESES, "first": self.first, "last": self.last}
        execute(self.urls["telemetry"], SENT, numbers)

    def visible(self) -> dict[str, Any]:
        (state,) = ask(self.folder, STATE.format(last=int(self.last.timestamp())))
        return state

    def uncommitted(self) -> int:
        """Publications of the mart whose rows are there and that were never committed."""
        (found,) = ask(self.folder, UNCOMMITTED)
        return int(found["publications"])

    def written(self) -> set[str]:
        """Parts that an INSERT made; merges have a level above 0."""
        return {part.name for part in self.parts.iterdir() if re.fullmatch(r"\d+_\d+_\d+_0", part.name)}

    def wait_for_rows(self, before: set[str]) -> None:
        until("the mart's rows are written", 120, lambda: self.written() - before, every=0.002)

    def verify(self) -> None:
        """The product's own comparison, and one that shares nothing with it: SQL on the source tables."""
        between = ["--from", f"{self.first:%Y-%m-%dT%H:%M}", "--to", f"{self.last:%Y-%m-%dT%H:%M}"]
        assert "rows are what the sources give" in " ".join(bionicpro(self.folder, "verify", *between).split())
        with embedded_postgres(self.folder / ".bionicpro" / "postgres"):
            crm, telemetry = (PostgresSource(f"{s}_db", self.urls[s], "") for s in ("crm", "telemetry"))
            expected = Sources(crm, telemetry, "").expected_mart(self.first, self.last)
        with closing(ClickHouse(f"chdb://{self.folder}/.bionicpro/clickhouse")) as clickhouse:
            found = [row for row in mart_rows(clickhouse) if at(row) <= self.last]
        assert len(found) == len(expected) > PROSTHESES * WINDOW
        assert found == expected


def at(row: tuple[Any, ...]) -> datetime:
    return parse_hour(f"{row[3]:%Y-%m-%d}T{row[4]:02}:00")


def lives(process: psutil.Process) -> bool:
    """A process that nobody waits for stays as a zombie where nothing reaps them, as in many containers."""
    return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)


def range_of(first: datetime, last: datetime) -> dict[str, str]:
    return {
        "dagster/asset_partition_range_start": partition_key(first),
        "dagster/asset_partition_range_end": partition_key(last),
    }


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with folder_for_postgres() as folder:
        bionicpro(folder, "demo", "--days", "0", "--hours", str(HOURS), "--prostheses", "5")
        with (folder / ".env").open("a") as settings:
            settings.write("BIONICPRO_ROLLUP='external'\n")
        values = {name: value or "" for name, value in dotenv_values(folder / ".env").items()}
        urls = {s: values[f"BIONICPRO_{s.upper()}_DB_URL"] for s in ("crm", "telemetry")}
        first = parse_hour(values["BIONICPRO_PARTITIONS_START"])
        paths = "SELECT data_paths[1] AS path FROM system.tables WHERE database = 'storage' AND name = 'user_prosthesis_stats'"
        (table,) = ask(folder, paths)
        made = Demo(folder, urls, first, folder / ".bionicpro" / "clickhouse" / table["path"], free_port())
        # The sensor of late hours would load the changed hours before a test does.
        with running_up(folder, made.port) as up:
            up.silence()
            up.stop()
        with embedded_postgres(folder / ".bionicpro" / "postgres"):
            execute(urls["crm"], FITTED, {"n": PROSTHESES})
            made.change_telemetry()
        yield made


def test_a_killed_run_is_started_again_by_itself_and_nothing_partial_is_visible(demo):
    old, lost = demo.visible(), demo.uncommitted()
    with running_up(demo.folder, demo.port) as up:
        before = demo.written()
        run = up.launch(demo.window)
        demo.wait_for_rows(before)
        up.worker(run).kill()
        until("the run counts as failed", 30, lambda: up.status(run) == "FAILURE")
        answers = [demo.visible()]
        retry = until("it is started again", 60, lambda: up.retry_of(run))
        while up.status(retry) not in ("SUCCESS", "FAILURE"):
            answers.append(demo.visible())
        assert up.status(retry) == "SUCCESS", up.events(retry)
        up.stop()
    new = demo.visible()
    assert demo.uncommitted() == lost + 1, "the kill came too late to show anything"
    assert new["n"] > PROSTHESES * WINDOW > old["n"]
    assert [state for state in answers if state not in (old, new)] == []
    demo.verify()


def power_cut(up: Up) -> None:
    """Everything at once."""
    kill([*up.family(), *postgres(up.folder)])
    up.process.wait()


def test_after_a_power_cut_it_comes_up_again_with_the_run_and_the_queue(demo):
    old, lost = demo.visible(), demo.uncommitted()
    with running_up(demo.folder, demo.port) as up:
        demo.change_telemetry()
        before = demo.written()
        run = up.launch(demo.window)
        queued = up.launch(range_of(demo.last + HOUR, demo.last + HOUR))
        demo.wait_for_rows(before)
        power_cut(up)
    assert demo.visible() == old
    with running_up(demo.folder, demo.port) as up:
        until("run monitoring finds that it is dead", 90, lambda: up.status(run) == "FAILURE")
        retry = until("it is started again", 60, lambda: up.retry_of(run))
        for each in (retry, queued):
            assert (
                until("it ends", 120, lambda each=each: (s := up.status(each)) in ("SUCCESS", "FAILURE") and s)
                == "SUCCESS"
            )
        up.stop()
    assert demo.uncommitted() == lost + 1, "the kill came too late to show anything"
    assert demo.visible() != old
    demo.verify()


def test_what_up_started_ends_with_it_and_it_can_be_started_again(demo):
    with running_up(demo.folder, demo.port) as up:
        services = up.family()[1:]
        started = {Path(a).name for s in services for a in s.cmdline()}
        assert {"dagster-daemon", "bionicpro_assets.webserver"} <= started
        up.process.kill()
        up.process.wait()
        until("its services have ended", 20, lambda: not any(map(lives, services)))
    assert postgres(demo.folder), "PostgreSQL is a daemon of its own; the next one to need it takes it over"
    with running_up(demo.folder, demo.port) as up:
        up.stop()
    assert postgres(demo.folder) == []


def test_without_its_code_server_up_says_so_and_ends(demo):
    with running_up(demo.folder, demo.port) as up:
        services = up.family()[1:]
        (code_server,) = [s for s in services if "grpc" in s.cmdline()]
        code_server.kill()
        assert up.process.wait(60) == 2
        assert "dagster-code-server ended by itself, with status -9" in up.log
        until("the others have ended", 20, lambda: not any(map(lives, services)))


def test_one_code_server_serves_for_as_long_as_up_does(demo):
    """Dagster's daemon starts another one every minute, where it is to start them."""
    with running_up(demo.folder, demo.port) as up:

        def servers() -> list[int]:
            return [p.pid for p in up.family() if "grpc" in p.cmdline()]

        first = servers()
        time.sleep(70)
        assert servers() == first
        assert len(first) == 1
        up.stop()


def test_a_materialize_that_is_killed_keeps_no_run_waiting(demo):
    lost = demo.uncommitted()
    with embedded_postgres(demo.folder / ".bionicpro" / "postgres"):
        demo.change_telemetry()
        before = demo.written()
        first, last = (f"{hour:%Y-%m-%dT%H:%M}" for hour in (demo.first, demo.last))
        command = [BIONICPRO, "materialize", "--from", first, "--to", last]
        process = subprocess.Popen(command, cwd=demo.folder, env=environment(), stdout=subprocess.DEVNULL)
        demo.wait_for_rows(before)
        process.kill()
        process.wait()
    assert demo.uncommitted() == lost + 1, "the kill came too late to show anything"
    with running_up(demo.folder, demo.port) as up:
        dead = up.runs()[0]["runId"]
        run = up.launch(demo.window)
        until("the killed one counts as failed", 90, lambda: up.status(dead) == "FAILURE")
        assert until("it ends", 120, lambda: (s := up.status(run)) in ("SUCCESS", "FAILURE") and s) == "SUCCESS"
        up.stop()
    demo.verify()
