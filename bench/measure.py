"""Measuring a competitor: a process of its own, how long its work takes, and the most memory its process tree holds."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import psutil

POLL_SECONDS = 0.02
MEBIBYTE = 1 << 20
# Begins the lines of a competitor's output that are meant for `compete`.
TELLS = "measured: "


@dataclass(frozen=True, slots=True)
class Job:
    """What a competitor is given.

    Attributes:
        crm_url: The CRM database, by socket.
        telemetry_url: The telemetry database, by socket.
        host: The same server by TCP.
        port: The same server by TCP.
        since: The first hour, Unix seconds.
        until: The end of the last hour, Unix seconds.
        folder: Where it may write.
        postmaster: The process of the PostgreSQL server.
    """

    crm_url: str
    telemetry_url: str
    host: str
    port: int
    since: int
    until: int
    folder: str
    postmaster: int


@dataclass(frozen=True, slots=True)
class Result:
    """What one run of a competitor gave.

    Attributes:
        seconds: Of its work, by the clock, without starting Python and importing.
        processor: Seconds of processor time that the same work took, in its processes and in PostgreSQL's: what a busy
            machine blurs less.
        peak_mib: The most memory that the process and its children held at one time, imports included.
        rows: Rows it delivered.
        steps: Seconds of its parts.
        counters: What it counted besides, by name.
        held: What readers of its mart get, where it tells: rows, their errors, a checksum of their names.
    """

    seconds: float
    processor: float
    peak_mib: float
    rows: int
    steps: dict[str, float] = field(default_factory=dict)
    counters: dict[str, float] = field(default_factory=dict)
    held: tuple[int, ...] = ()


class Stopwatch:
    """Seconds of named steps, in order."""

    def __init__(self) -> None:
        self.steps: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Any:
        """Time what is inside."""
        began = time.perf_counter()
        yield
        self.steps[step] = self.steps.get(step, 0.0) + time.perf_counter() - began


def compete(module: str, job: Job, *arguments: str) -> Result:
    """Run a competitor once.

    Raises:
        RuntimeError: It failed; what it said is on this process's standard error.
    """
    command = [sys.executable, "-W", "ignore", "-m", module, json.dumps(asdict(job)), *arguments]
    server = server_seconds(job.postmaster)
    told: dict[str, Any] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own module
        assert process.stdout is not None  # noqa: S101 - for the type checker
        peak, done = [0.0], threading.Event()
        watcher = threading.Thread(target=_watch, args=(psutil.Process(process.pid), peak, done))
        watcher.start()
        for line in process.stdout:
            if line.startswith(TELLS):
                if not done.is_set():
                    # The work is over; what the process looks at afterwards isn't part of it.
                    done.set()
                    server = server_seconds(job.postmaster) - server
                told |= json.loads(line.removeprefix(TELLS))
        done.set()
        watcher.join()
    if process.returncode:
        raise RuntimeError(f"{module} ended with status {process.returncode}")
    return Result(
        told["seconds"], told["processor"] + server, peak[0] / MEBIBYTE, told["rows"], told["steps"],
        told.get("counters", {}), tuple(told.get("held", ())),
    )  # fmt: skip


def child(
    work: Callable[[Job], tuple[int, dict[str, float]]], told: Callable[[], dict[str, Any]] | None = None
) -> None:
    """The main function of a competitor: do the work once and tell.

    Args:
        work: What is measured; its rows and the seconds of its steps.
        told: What there is to say besides, in place of what the work returned; called when nothing is measured any
            more.
    """
    job = Job(**json.loads(sys.argv[1]))
    began, used = time.perf_counter(), sum(os.times()[:4])
    rows, steps = work(job)
    took, processor = time.perf_counter() - began, sum(os.times()[:4]) - used
    _tell({"seconds": took, "processor": processor, "rows": rows, "steps": steps})
    if told:
        _tell(told())


def _tell(facts: dict[str, Any]) -> None:
    # On a line of its own, whatever was printed before it.
    print(f"\n{TELLS}{json.dumps(facts)}", flush=True)  # noqa: T201


def instants(job: Job) -> tuple[datetime, datetime]:
    """The window, as instants in UTC."""
    from datetime import UTC

    return datetime.fromtimestamp(job.since, UTC), datetime.fromtimestamp(job.until, UTC)


def _watch(process: psutil.Process, peak: list[float], done: threading.Event) -> None:
    while not done.is_set() and process.is_running():
        held = 0
        with suppress(psutil.Error):
            if process.status() == psutil.STATUS_ZOMBIE:
                return
            for one in [process, *process.children(recursive=True)]:
                with suppress(psutil.Error):
                    held += one.memory_info().rss
        peak[0] = max(peak[0], held)
        time.sleep(POLL_SECONDS)


def server_seconds(postmaster: int) -> float:
    """Processor time of the server and all its processes, those that have ended included."""
    server = psutil.Process(postmaster)
    used = sum(server.cpu_times()[:4])
    for one in server.children():
        with suppress(psutil.Error):
            used += sum(one.cpu_times()[:2])
    return used
