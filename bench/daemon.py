"""What the daemon adds: a tick of the schedule until its run is done, idling, and a backfill as the UI launches it.

    python -W ignore -m bench.daemon [--prostheses 100] [--hours 8688] [--ticks 1] [--ticks-only] [--json FILE]

Runs `bionicpro up` on databases of its own, after a first load, and waits for quarters of an hour, before each of which
every row of the open hour is changed. Then it launches one backfill of all hours, as the UI's button does, with the
schedule off, and waits until Dagster says that it is done. In the end the mart must have the open hour as changed.
Times are those that Dagster recorded; processor time is of all the processes that were started, without PostgreSQL's.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg
import psutil

from bench import changes
from bench.sources import databases, fill, free_port, settle, window, work_folder
from bionicpro_assets.defs import keys
from bionicpro_assets.hours import HOUR
from bionicpro_assets.setup.postgres import transaction

TICKS = f"""{{ scheduleOrError(scheduleSelector: {{repositoryName: "__repository__",
    repositoryLocationName: "bionicpro_assets", scheduleName: "{keys.SCHEDULE}"}}) {{ ... on Schedule {{ id
    scheduleState {{ ticks(limit: 5) {{ timestamp endTimestamp status runIds }} }} }} }} }}"""
STOP = 'mutation {{ stopRunningSchedule(id: "{}") {{ __typename }} }}'
BACKFILL = """mutation {{ launchPartitionBackfill(backfillParams: {{ assetSelection: [{}], allPartitions: true }}) {{
    __typename ... on LaunchBackfillSuccess {{ backfillId }} ... on PythonError {{ message }} }} }}"""
OF_BACKFILL = """{{ partitionBackfillOrError(backfillId: "{}") {{ ... on PartitionBackfill {{
    status timestamp endTimestamp runs(limit: 1000) {{ id status }} }} }} }}"""
# What a service's command line has, and its name; runs are the code server's.
SERVICES = {
    "grpc": "the code server, with its runs",
    "dagster-daemon": "the daemon",
    "dagster-webserver": "the webserver",
}
VISIBLE = "until readers see the rows of the mart"
AT_WORK = ("REQUESTED", "CANCELING")
BIONICPRO = str(Path(sys.executable).parent / "bionicpro")
QUARTER_SECONDS = 15 * 60
IDLE_SECONDS = 120


def environment() -> dict[str, str]:
    """This process's, without settings."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("BIONICPRO_", "DAGSTER_"))}


def main() -> None:
    """Fill the sources, start the platform, wait, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prostheses", type=int, default=100)
    parser.add_argument("--hours", type=int, default=8688)
    parser.add_argument("--ticks", type=int, default=1)
    parser.add_argument("--ticks-only", action="store_true", help="no idling, no backfill")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    hours = window(arguments.hours)
    with work_folder() as folder, databases(folder) as sources:
        fill(sources, arguments.prostheses, hours)
        # As if it had come in time: what comes late is loaded by a sensor, all the year of it.
        with transaction(sources.telemetry) as cursor:
            cursor.execute(
                "UPDATE telemetry.hourly_stats SET updated_at = least(hour_start + interval '1 hour', now())"
            )
        settle(sources)
        (folder / ".env").write_text(
            f"BIONICPRO_CRM_DB_URL={sources.crm.url}\n"
            f"BIONICPRO_TELEMETRY_DB_URL={sources.telemetry.url}\n"
            f"BIONICPRO_CLICKHOUSE_URL=chdb://{folder}/clickhouse\n"
            f"BIONICPRO_HOME={folder}/home\n"
            # The rolled-up rows are the generator's: there are no raw rows behind them.
            "BIONICPRO_ROLLUP=external\n"
            f"BIONICPRO_PARTITIONS_START={hours[0]:%Y-%m-%dT%H:%M}\n"
            # What is missing is left for the backfill.
            "BIONICPRO_MAX_CATCHUP_HOURS=0\n"
        )
        for command in (["init", "clickhouse"], ["materialize"]):
            subprocess.run([BIONICPRO, *command], cwd=folder, env=environment(), check=True, stdout=subprocess.DEVNULL)  # noqa: S603
        with running(folder) as platform:
            print(f"`bionicpro up` until the UI answers: {platform.started_in:.1f} s", flush=True)  # noqa: T201
            steps, spent = ticks(platform, arguments.ticks, partial(changes.telemetry, sources, hours[-1:]))
            print(as_table(steps, spent), flush=True)  # noqa: T201
            if not arguments.ticks_only:
                services, memory = idle(platform)
                listed = ", ".join(f"{name} {seconds:.1f}" for name, seconds in services.items())
                print(f"Processor time of a minute of idling, s: {listed}; memory {memory / 1e6:.0f} MB", flush=True)  # noqa: T201
                print(backfill(platform), flush=True)  # noqa: T201
        begins, ends = (int(instant.timestamp()) for instant in (hours[-1], hours[-1] + HOUR))
        held = changes.held(f"chdb://{folder}/clickhouse", begins, ends)
        if held != (there := changes.expected(sources, hours[-1:])):
            raise SystemExit(f"The mart has {held} (rows, errors, names) of the last hour, the sources {there}.")
        if arguments.json:
            figures = {"visible": statistics.median(map(visible_after, steps)), "steps": steps}
            arguments.json.write_text(json.dumps(figures, indent=1))


@dataclass(frozen=True, slots=True)
class Platform:
    """A running `bionicpro up`."""

    process: subprocess.Popen[bytes]
    port: int
    folder: Path
    started_in: float

    def graphql(self, query: str) -> Any:
        """The one thing that was asked for."""
        body = json.dumps({"query": query}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - this machine
            (found,) = json.load(answer)["data"].values()
        return found

    def instance(self) -> dg.DagsterInstance:
        """What Dagster recorded."""
        return dg.DagsterInstance.from_config(str(self.folder / "home" / "dagster"))

    def processor(self) -> dict[str, float]:
        """Seconds of processor time by service, with those of what it started, also of what ended since."""
        seconds: dict[str, float] = {}
        for service in psutil.Process(self.process.pid).children():
            name = next((name for word, name in SERVICES.items() if any(word in a for a in service.cmdline())), "other")
            for process in (service, *service.children(recursive=True)):
                seconds[name] = seconds.get(name, 0.0) + sum(process.cpu_times()[:4])
        return seconds

    def memory(self) -> float:
        """Bytes of memory, what processes share counted once."""
        top = psutil.Process(self.process.pid)
        return sum(p.memory_full_info().pss for p in (top, *top.children(recursive=True)))


@contextmanager
def running(folder: Path) -> Iterator[Platform]:
    """`bionicpro up` in the folder, until Ctrl-C."""
    port, began = free_port(), time.monotonic()
    with (folder / "up.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [BIONICPRO, "up", "--port", str(port)],
            cwd=folder, env=environment(), stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        while f"http://127.0.0.1:{port}" not in (folder / "up.log").read_text():
            if process.poll() is not None or time.monotonic() - began > 120:
                raise SystemExit((folder / "up.log").read_text())
            time.sleep(0.1)
        yield Platform(process, port, folder, time.monotonic() - began)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def ticks(platform: Platform, count: int, change: Callable[[], None]) -> tuple[list[dict[str, float]], list[float]]:
    """Seconds between the instants of each tick; processor seconds of the quarters of an hour that end with its run."""
    steps, spent = [], []
    for _ in range(count):
        change()
        before, due = sum(platform.processor().values()), (time.time() // QUARTER_SECONDS + 1) * QUARTER_SECONDS
        time.sleep(due - time.time())
        tick = _until(120, partial(_tick, platform, due))
        (run_id,) = tick["runIds"]
        with platform.instance() as instance:
            _until(600, partial(_finished, instance, run_id))
            steps.append(_instants(instance, run_id, tick))
        # The process of the run ends a little later than the run.
        time.sleep(5)
        spent.append(sum(platform.processor().values()) - before)
    return steps, spent


def idle(platform: Platform) -> tuple[dict[str, float], float]:
    """Processor seconds a minute by service when there is nothing to do, and bytes of memory."""
    began, before = time.monotonic(), platform.processor()
    time.sleep(IDLE_SECONDS)
    minutes = (time.monotonic() - began) / 60
    return {
        name: (now - before.get(name, 0)) / minutes for name, now in platform.processor().items()
    }, platform.memory()


def _finished(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    return run is not None and run.is_finished


def _tick(platform: Platform, due: float) -> dict[str, Any] | None:
    found = platform.graphql(TICKS)["scheduleState"]["ticks"]
    return next((t for t in found if t["timestamp"] >= due and t["status"] == "SUCCESS" and t["runIds"]), None)


def _instants(instance: dg.DagsterInstance, run_id: str, tick: Mapping[str, Any]) -> dict[str, float]:
    run = instance.get_run_by_id(run_id)
    if run is None or not run.is_success:
        raise SystemExit(f"The run {run_id} failed.")
    told: dict[str, float] = {}
    for entry in instance.all_logs(run_id):
        if event := entry.dagster_event:
            told.setdefault(event.event_type_value, entry.timestamp)
            if event.is_step_materialization and event.asset_key == keys.MART:
                # Dagster hears of it after the rows have become visible.
                told.setdefault(VISIBLE, entry.timestamp)
    instants = {
        "due": tick["timestamp"],
        "due, until the run is in the queue": told["PIPELINE_ENQUEUED"],
        "until it is taken out of it": told["PIPELINE_STARTING"],
        "until its process works on the first step": told["STEP_START"],
        "until the first asset is there": told["ASSET_MATERIALIZATION"],
        VISIBLE: told[VISIBLE],
        "until all is done": told["PIPELINE_SUCCESS"],
    }
    return {name: instants[name] - instants[before] for before, name in pairwise(instants)}


def visible_after(steps: Mapping[str, float]) -> float:
    """Seconds from when the tick was due until readers saw its rows."""
    names = list(steps)
    return sum(steps[name] for name in names[: names.index(VISIBLE) + 1])


def backfill(platform: Platform) -> str:
    """Launch it with the schedule off, wait for its end, and say what it took."""
    platform.graphql(STOP.format(platform.graphql(TICKS)["id"]))
    assets = ", ".join(f"{{path: {json.dumps(key.path)}}}" for key in keys.PUBLISHED)
    before, began = sum(platform.processor().values()), time.time()
    launched = platform.graphql(BACKFILL.format(assets))
    if launched["__typename"] != "LaunchBackfillSuccess":
        raise SystemExit(f"The backfill couldn't be launched: {launched}")
    number = launched["backfillId"]
    done = _until(3600, lambda: _ended(platform.graphql(OF_BACKFILL.format(number))), every=1.0)
    seconds = time.time() - began
    with platform.instance() as instance:
        records = instance.get_run_records(dg.RunsFilter(tags={"dagster/backfill": number}))
        there = {key.to_user_string(): len(instance.get_materialized_partitions(key)) for key in keys.PUBLISHED}
    working = sum((r.end_time or 0) - (r.start_time or 0) for r in records)
    last = max(r.end_time or 0 for r in records)
    spent = sum(platform.processor().values()) - before
    return (
        f"A backfill of {max(there.values())} hours: {done['status']}, {len(records)} runs, {seconds:.0f} s by the "
        f"clock until it counted as done, {last - began:.0f} s until its last run had ended, {working:.0f} s of that "
        f"within the runs; {spent:.0f} s of the processor. Partitions materialised: {there}"
    )


def _ended(found: dict[str, Any]) -> dict[str, Any] | None:
    return None if found["status"] in AT_WORK else found


def _until(seconds: float, probe: Callable[[], Any], every: float = 2.0) -> Any:
    """The first true answer."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := probe():
            return found
        time.sleep(every)
    raise SystemExit(f"Not within {seconds:.0f} s.")


def as_table(steps: Sequence[Mapping[str, float]], spent: Sequence[float]) -> str:
    """A Markdown table of medians."""
    lines = ["| a tick of the schedule | s |", "|---|--:|"]
    lines += [f"| {name} | {statistics.median(s[name] for s in steps):.1f} |" for name in steps[0]]
    lines.append(f"| all of that, due until visible | {statistics.median(map(visible_after, steps)):.1f} |")
    lines.append(f"\nProcessor time of a quarter of an hour, with its run: {statistics.median(spent):.0f} s")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
