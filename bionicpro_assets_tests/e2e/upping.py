"""`bionicpro up` as a test starts, watches and kills it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

BIONICPRO = Path(sys.executable).parent / "bionicpro"
T = TypeVar("T")

LAUNCH = """mutation {
  launchRun(executionParams: {
    selector: {repositoryLocationName: "bionicpro_assets", repositoryName: "__repository__", jobName: "bionicpro_reports_etl"}
    executionMetadata: {tags: [%s]}
  }) { __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } }
}"""
RUNS = "{ runsOrError(limit: 20) { ... on Runs { results { runId parentRunId status jobName startTime endTime } } } }"
EVENTS = """{ logsForRun(runId: "%s") { ... on EventConnection { events {
  __typename ... on MessageEvent { message stepKey eventType timestamp }
  ... on EngineEvent { metadataEntries { label ... on TextMetadataEntry { text } ... on IntMetadataEntry { intValue } } }
} } } }"""


def environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(("BIONICPRO_", "ETL_", "DAGSTER_"))}


def bionicpro(folder: Path, *arguments: str, status: int | None = 0) -> str:
    """A command in the folder; what it printed."""
    done = subprocess.run(
        [BIONICPRO, *arguments], cwd=folder, env=environment(), capture_output=True, text=True, timeout=240, check=False
    )
    assert status is None or done.returncode == status, done.stdout + done.stderr
    return done.stdout


def ask(folder: Path, query: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in bionicpro(folder, "query", query, "--json").splitlines()]


def until(what: str, seconds: float, probe: Callable[[], T | None], every: float = 0.3) -> T:
    """The first true answer of the probe."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := probe():
            return found
        time.sleep(every)
    pytest.fail(f"{what}: not within {seconds:.0f} s")


AUTOMATION = """{ repositoryOrError(repositorySelector: {
    repositoryName: "__repository__", repositoryLocationName: "bionicpro_assets"}) { ... on Repository {
        sensors { id sensorState { status } } schedules { id scheduleState { status } } } } }"""


@dataclass(frozen=True)
class Up:
    """A running `bionicpro up`."""

    process: subprocess.Popen[bytes]
    port: int
    folder: Path

    @property
    def log(self) -> str:
        return "\n".join(
            f"== {file}\n{file.read_text()[-3000:]}"
            for file in (self.folder / "up.log", *sorted((self.folder / ".bionicpro" / "dagster").glob("*.log")))
        )

    def graphql(self, query: str) -> Any:
        body = json.dumps({"query": query}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            (found,) = json.load(answer)["data"].values()
        return found

    def silence(self) -> None:
        """Turn schedules and sensors off, for good: only what a test launches runs."""
        found = self.graphql(AUTOMATION)
        for sensor in found["sensors"]:
            self.graphql(f'mutation {{ stopSensor(id: "{sensor["id"]}") {{ __typename }} }}')
        for schedule in found["schedules"]:
            self.graphql(f'mutation {{ stopRunningSchedule(id: "{schedule["id"]}") {{ __typename }} }}')
        now = self.graphql(AUTOMATION)
        states = [s["sensorState"]["status"] for s in now["sensors"]]
        states += [s["scheduleState"]["status"] for s in now["schedules"]]
        assert set(states) == {"STOPPED"}, now

    def launch(self, tags: dict[str, str]) -> str:
        """Ask for a run of the job; its number."""
        listed = ", ".join(f'{{key: "{key}", value: "{value}"}}' for key, value in tags.items())
        launched = self.graphql(LAUNCH % listed)
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return str(launched["run"]["runId"])

    def runs(self) -> list[dict[str, Any]]:
        return list(self.graphql(RUNS)["results"])

    def status(self, run_id: str) -> str:
        return next(str(run["status"]) for run in self.runs() if run["runId"] == run_id)

    def retry_of(self, run_id: str) -> str | None:
        return next((str(run["runId"]) for run in self.runs() if run["parentRunId"] == run_id), None)

    def events(self, run_id: str) -> list[dict[str, Any]]:
        return list(self.graphql(EVENTS % run_id)["events"])

    def family(self) -> list[psutil.Process]:
        """It and all that it started, but for PostgreSQL, which is a daemon."""
        return [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]

    def worker(self, run_id: str) -> psutil.Process:
        """The run's own process: the one that says so, if we started it."""
        said = {
            entry.get("text") or str(entry.get("intValue"))
            for event in self.events(run_id)
            for entry in event.get("metadataEntries") or []
            if entry["label"] == "pid"
        }
        return next(process for process in self.family() if str(process.pid) in said)

    def stop(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(60) == 0, self.log


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running_up(folder: Path, port: int, command: Path = BIONICPRO) -> Iterator[Up]:
    """`bionicpro up` in the folder, which answers; whatever is left of it at the end is killed."""
    with (folder / "up.log").open("wb") as output:
        process = subprocess.Popen(
            [command, "up", "--port", str(port)],
            cwd=folder,
            env=environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    up = Up(process, port, folder)
    started: list[psutil.Process] = []

    def answers() -> bool:
        assert process.poll() is None, up.log
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=2):
                return True
        except OSError:
            return False

    try:
        until("the UI answers", 90, answers)
        started = up.family()
        yield up
    finally:
        with suppress(psutil.NoSuchProcess):
            started += up.family()
        kill(started)
        process.wait()


def kill(processes: Sequence[psutil.Process]) -> None:
    """SIGKILL to all at once. A process object knows when its number has become another's."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def postgres(folder: Path) -> list[psutil.Process]:
    """The PostgreSQL server of the folder, and its backends; none if it isn't running."""
    file = folder / ".bionicpro" / "postgres" / "postmaster.pid"
    if not file.exists():
        return []
    try:
        server = psutil.Process(int(file.read_text().split()[0]))
    except psutil.NoSuchProcess:
        return []
    return [server, *server.children(recursive=True)]
