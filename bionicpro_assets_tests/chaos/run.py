"""Rounds of chaos, each repeatable by its seed.

    python -m bionicpro_assets_tests.chaos.run --seconds 600 [--seed 1] [--rounds 500]

First a load is killed by SIGKILL at each of its step boundaries in turn; the mart must then be the old one or the new
one, whole. Then rounds: each changes the sources at random, loads random windows in one or two processes at a time,
kills some of them by SIGKILL at a random moment or at a step boundary, sweeps now and then in the middle of it, loads
the same windows once more, and compares the whole mart with what SQL on the sources says. Readers poll meanwhile: each
answer must be a state that was published.
"""

import argparse
import multiprocessing
import random
import signal
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from bionicpro_assets.hours import HOUR, floor_hour, hour_range
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.sweep import sweep
from bionicpro_assets.setup.clickhouse import apply_clickhouse_schema
from bionicpro_assets.setup.embedded import embedded_postgres
from bionicpro_assets.setup.postgres import apply_postgres_schema
from bionicpro_assets_tests.chaos.readers import Readers, Totals, published_states, stored_totals
from bionicpro_assets_tests.chaos.writer import CRM, MART, REJECTED, STEPS, TELEMETRY, load_window, sweep_all
from bionicpro_assets_tests.folders import folder_for_postgres
from bionicpro_assets_tests.gateway.fixtures import running_gateway
from bionicpro_assets_tests.integration.platform import mart_rows
from bionicpro_assets_tests.integration.sources import Sources, source_for

CHIPS = [f"C{n}" for n in range(8)]
USERS = ["anna", "boris", "vera"]
SPAN_HOURS = 10
# Longer than any poll of a reader takes here.
SWEEP_GRACE = timedelta(seconds=5)


class Chaos:
    """Sources, a ClickHouse, and what the mart must hold hour by hour."""

    def __init__(self, sources: Sources, url: str, seed: int) -> None:
        self.sources, self.url, self.seed = sources, url, seed
        # Over the end of a month, in the past: all hours are closed, two partitions of every table are involved.
        # In the first hours of a month, it is the end of the month before the last.
        last_month = floor_hour(datetime.now(UTC) - SPAN_HOURS * HOUR).replace(day=1, hour=0)
        self.first = last_month - timedelta(hours=SPAN_HOURS // 2)
        self.hours = hour_range(self.first, self.first + (SPAN_HOURS - 1) * HOUR)
        # Of all these hours nothing is known before the first load: they stay with those who have the chips then.
        self.owners: dict[str, tuple[str, int]] | None = None
        self.expected: dict[datetime, list[tuple[Any, ...]]] = {}
        self.killed = self.loads = self.sweeps = 0
        self.totals: Totals = {}
        # Children come from a server process that has no threads and has imported all they need.
        self.processes = multiprocessing.get_context("forkserver")
        self.processes.set_forkserver_preload(["bionicpro_assets_tests.chaos.run"])
        for user in USERS:
            sources.add_wearer(None, user, status="sold")
        for chip in CHIPS[:-1]:
            sources.add_wearer(chip, "anna")

    def round(self, number: int) -> None:
        """One round; raises AssertionError with what repeats it."""
        dice = random.Random(f"{self.seed}/{number}")
        for _ in range(dice.randrange(1, 6)):
            self.change_sources(dice)
        self.owners = self.owners or self.sources.owners()
        windows = [self.window(dice) for _ in range(dice.choice([1, 1, 2]))]
        children = [self.start(hours, f"{number}-{i}", self.fate(dice)) for i, hours in enumerate(windows)]
        if dice.random() < 0.3:
            children.append(self.start_sweep())
        for child, delay in children:
            child.join(delay)
            if child.is_alive() and delay is not None:
                child.kill()
            child.join(60)
            assert child.exitcode in (0, -signal.SIGKILL), f"a writer ended with {child.exitcode}"
            self.killed += child.exitcode != 0
        for i, hours in enumerate(windows):
            self.load_undisturbed(hours, f"{number}-again-{i}")
        for hours in windows:
            self.expect(hours)
        self.compare()

    def kill_at_every_step(self) -> int:
        """One load after the other, each killed one step later than the one before; how many steps a load has."""
        self.owners = self.sources.owners()
        self.load_undisturbed(self.hours, "before")
        self.expect(self.hours)
        for step in range(STEPS):
            for hour in self.hours:
                self.sources.add_hour(CHIPS[0], hour, movements_count=step, successful_movements=0)
            old = sorted(row for rows in self.expected.values() for row in rows)
            child, _ = self.start(self.hours, f"step-{step}", (step, None))
            child.join(60)
            self.killed += child.exitcode != 0
            self.expect(self.hours)
            new = sorted(row for rows in self.expected.values() for row in rows)
            with ClickHouse(self.url) as clickhouse:
                found = mart_rows(clickhouse)
            assert found in (old, new), f"killed at step {step}, the mart is neither the old nor the new one"
            if child.exitcode == 0:
                assert found == new
                return step
            assert child.exitcode == -signal.SIGKILL, f"a writer ended with {child.exitcode}"
            self.load_undisturbed(self.hours, f"step-{step}-again")
            self.compare()
        raise AssertionError(f"a load has more than {STEPS} steps")

    def load_undisturbed(self, hours: Sequence[datetime], run_id: str) -> None:
        child, _ = self.start(hours, run_id, (None, None))
        child.join(60)
        assert child.exitcode == 0, f"a load that nobody disturbed ended with {child.exitcode}"

    def expect(self, hours: Sequence[datetime]) -> None:
        for hour in hours:
            self.expected[hour] = self.sources.expected_mart(hour, hour, owners=self.owners)

    def compare(self) -> None:
        with ClickHouse(self.url) as clickhouse:
            found = mart_rows(clickhouse)
        expected = sorted(row for rows in self.expected.values() for row in rows)
        surplus, missing = set(found) - set(expected), set(expected) - set(found)
        assert found == expected, f"{len(surplus)} rows too many, {len(missing)} missing: {[*surplus, *missing][:2]}"

    def fate(self, dice: random.Random) -> tuple[int | None, float | None]:
        """At which step the writer kills itself, or after how many seconds it is killed."""
        return dice.choice([(None, None), (dice.randrange(STEPS), None), (None, dice.uniform(0.0, 0.6))])

    def start(
        self, hours: Sequence[datetime], run_id: str, fate: tuple[int | None, float | None]
    ) -> tuple[multiprocessing.process.BaseProcess, float | None]:
        step, delay = fate
        arguments = (self.sources.crm, self.sources.telemetry, self.url, hours, run_id, step)
        child = self.processes.Process(target=load_window, args=arguments)
        child.start()
        self.loads += 1
        return child, delay

    def start_sweep(self) -> tuple[multiprocessing.process.BaseProcess, float | None]:
        """A sweep beside the writers, after the totals of what it may delete were noted for the readers' sake."""
        with ClickHouse(self.url) as clickhouse:
            self.totals |= stored_totals(clickhouse)
        child = self.processes.Process(target=sweep_all, args=(self.url, SWEEP_GRACE))
        child.start()
        self.sweeps += 1
        return child, None

    def window(self, dice: random.Random) -> list[datetime]:
        first = dice.randrange(SPAN_HOURS)
        return self.hours[first : first + dice.randrange(1, SPAN_HOURS)]

    def change_sources(self, dice: random.Random) -> None:
        chip, hour = dice.choice(CHIPS), dice.choice(self.hours)
        movements = dice.randrange(1000)
        match dice.choice(["add", "add", "add", "remove", "empty", "move", "rename", "retire"]):
            case "add":
                self.sources.add_hour(chip, hour, movements_count=movements, successful_movements=movements // 2)
            case "remove":
                self.sources.in_telemetry(
                    "DELETE FROM telemetry.hourly_stats WHERE chip_id = %s AND hour_start = %s", (chip, hour)
                )
            case "empty":
                self.sources.in_telemetry("DELETE FROM telemetry.hourly_stats WHERE hour_start = %s", (hour,))
            case "move":
                self.sources.in_crm(
                    "UPDATE crm.prostheses SET customer_id = c.customer_id FROM crm.customers c "
                    "WHERE chip_id = %s AND c.external_id = %s",
                    (chip, dice.choice(USERS)),
                )
            case "rename":
                self.sources.in_crm(
                    "UPDATE crm.customers SET last_name = %s WHERE external_id = %s",
                    (f"Name{movements}", dice.choice(USERS)),
                )
            case "retire":
                self.sources.in_crm("UPDATE crm.prostheses SET status = 'retired' WHERE chip_id = %s", (chip,))


def run(folder: Path, *, seed: int, seconds: float, rounds: int, readers: int = 2, every_step: bool = True) -> str:
    """Rounds until the time or their number is up; what happened, in a sentence.

    Raises:
        AssertionError: The mart differs from the sources, or a reader saw what was never published; the seed that
            repeats it is in the message.
    """
    began = time.monotonic()
    with embedded_postgres(folder / "postgres") as urls, running_gateway(folder / "clickhouse") as gateway:
        made: dict[Literal["crm", "telemetry"], Any] = {}
        for schema in ("crm", "telemetry"):
            made[schema] = source_for(urls["crm_db"], schema, f"{schema}_db")
            apply_postgres_schema(made[schema], schema)
        with ClickHouse(gateway.url()) as clickhouse:
            apply_clickhouse_schema(clickhouse)
        chaos = Chaos(Sources(made["crm"], made["telemetry"], urls["crm_db"]), gateway.url(), seed)
        done = steps = 0
        with Readers(gateway.url(), readers) as watching:
            if every_step:
                steps = chaos.kill_at_every_step()
            while done < rounds and time.monotonic() - began < seconds:
                try:
                    chaos.round(done)
                except AssertionError as error:
                    raise AssertionError(
                        f"round {done}: {error}\nrepeat it with --seed {seed} --rounds {done + 1}"
                    ) from None
                done += 1
        assert watching.errors == []
        with ClickHouse(gateway.url()) as clickhouse:
            chaos.totals |= stored_totals(clickhouse)
            published = published_states(clickhouse, chaos.totals)
            torn = sum(n for state, n in watching.answers.items() if state not in published)
            assert torn == 0, f"{torn} of {watching.polls} answers were never published; repeat it with --seed {seed}"
            for name in (CRM, TELEMETRY, REJECTED, MART):
                sweep(clickhouse, name, replaced_grace=timedelta(0), uncommitted_grace=timedelta(0))
                rest = sweep(clickhouse, name, replaced_grace=timedelta(0), uncommitted_grace=timedelta(0))
                assert not rest.rows, f"{name}: a sweep left {dict(rest.rows)}"
            _, ((left,),) = clickhouse.rows("SELECT count() FROM storage.user_prosthesis_stats")
        chaos.compare()
        visible = sum(map(len, chaos.expected.values()))
        assert left == visible, f"{left} rows are stored after the sweep, and {visible} are visible"
    return (
        f"seed {seed}: {f'killed at each of {steps} steps; ' if every_step else ''}"
        f"{done} rounds, {chaos.loads} loads of which {chaos.killed} were killed, {chaos.sweeps} sweeps, 0 differences; "
        f"{watching.polls} polls, 0 torn; nothing left after the sweep; {time.monotonic() - began:.0f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rounds", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 1_000_000)
    parser.add_argument("--readers", type=int, default=2)
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)  # noqa: T201
    with folder_for_postgres() as folder:
        said = run(
            folder,
            seed=arguments.seed,
            seconds=arguments.seconds,
            rounds=arguments.rounds,
            readers=arguments.readers,
        )
    print(said)  # noqa: T201


if __name__ == "__main__":
    main()
