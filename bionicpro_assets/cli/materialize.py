"""`bionicpro materialize`."""

import json
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from datetime import datetime
from typing import Any

import dagster as dg
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from bionicpro_assets.cli.console import console, table
from bionicpro_assets.cli.stopping import stopping
from bionicpro_assets.cli.visible import visible
from bionicpro_assets.databases import clickhouse_of
from bionicpro_assets.defs import keys
from bionicpro_assets.errors import AnswerError, PlatformError
from bionicpro_assets.hours import describe
from bionicpro_assets.instance import dagster_instance, run_job
from bionicpro_assets.period import period
from bionicpro_assets.settings import Settings
from bionicpro_assets.setup.embedded import sources_running
from bionicpro_assets.sqlfiles import sql

ROWS_SHOWN = 20
POLL_SECONDS = 0.3


def run_materialize(
    first: str | None,
    last: str | None,
    now: datetime,
    *,
    as_of_now: bool = False,
    chips: Sequence[str] = (),
    as_json: bool = False,
) -> None:
    """Load the window [first … last], the lookback window by default.

    Args:
        first: The first hour.
        last: The last hour, included.
        now: The present instant.
        as_of_now: The hours get the wearers that the CRM names now, whatever is known of them.
        chips: With `as_of_now`, the chips it is about; all that the CRM names, if there are none.
        as_json: Print one object a run instead of words, and then one for each row that has another wearer.

    Raises:
        PlatformError: The window is wrong, or a run failed.
    """
    settings = Settings.load()
    if chips and not as_of_now:
        raise PlatformError("--chip says which chips --wearers-as-of-now is about, and goes only with it.")
    if as_of_now and not (first and last):
        raise PlatformError("--wearers-as-of-now changes whose hours they are: name them, with --from and --to.")
    hours = period(settings, first, last, now)
    with sources_running(settings):
        if not as_of_now:
            load_hours(settings, hours, as_json=as_json)
            return
        about = f"the chips {', '.join(chips)}" if chips else "all chips that it names"
        if not as_json:
            console.print(
                f"{describe(hours)} go to the wearers that the CRM names now, for {about}, whatever is known of those "
                "hours. They stay with them until they are corrected again."
            )
        load_hours(settings, hours, {"wearers_as_of_now": True, "chips": list(chips)}, as_json=as_json)
    with clickhouse_of(settings) as clickhouse:
        span = {"first": int(hours[0].timestamp()), "last": int(hours[-1].timestamp())}
        names, corrected = clickhouse.rows(sql("clickhouse/queries/corrected_wearers.sql"), span)
    if as_json:
        for row in corrected:
            _print_json(dict(zip(names, row, strict=True)))
        return
    console.print(f"In these hours {len(corrected)} rows have another wearer than was known before.")
    if corrected:
        shown = "Corrected" if len(corrected) <= ROWS_SHOWN else f"Corrected, the first {ROWS_SHOWN}"
        table(shown, names, corrected[:ROWS_SHOWN])


def load_hours(
    settings: Settings,
    hours: Sequence[datetime],
    crm_config: Mapping[str, Any] | None = None,
    *,
    say_doubts: bool = True,
    as_json: bool = False,
) -> list[str]:
    """Run the job over the hours, a long window in several runs; progress while it works.

    `crm_config` is the run config of the CRM extract; `say_doubts`, whether to print what the checks find; `as_json`,
    whether to print one object a run and nothing else.

    Returns:
        What the checks found, a sentence each.

    Raises:
        PlatformError: A run failed; those before it stand. Or this Dagster has its runs elsewhere.
        KeyboardInterrupt: Ctrl-C was pressed; the run is canceled.
    """
    doubts: list[str] = []
    if not as_json:
        console.print(f"Loading {describe(hours)} with the job bionicpro_reports_etl.")
    with (
        dagster_instance(settings) as instance,
        _progress(disable=as_json) as progress,
        stopping(instance) as stop,
    ):
        _require_runs_here(instance)
        task = progress.add_task("", total=len(hours))
        for i in range(0, len(hours), settings.hours_per_run):
            chunk, run_id = hours[i : i + settings.hours_per_run], str(uuid.uuid4())
            began, stop.run_id = time.monotonic(), run_id
            with nullcontext() if as_json else _told(instance, run_id, progress):
                outcome = run_job(settings, instance, chunk, run_id, crm_config)
            stop.check()
            took = time.monotonic() - began
            if as_json:
                window = {
                    "first_hour": chunk[0],
                    "last_hour": chunk[-1],
                    "hours": len(chunk),
                    "seconds": round(took, 1),
                }
                _print_json({**asdict(outcome), **window})
            if outcome.failures:
                raise AnswerError(
                    "\n".join(
                        [
                            *outcome.failures,
                            f"Run {run_id} failed for {describe(chunk)}; what it did not publish stays as it was.",
                        ]
                    )
                )
            progress.advance(task, len(chunk))
            doubts += outcome.doubts
            if not as_json:
                for doubt in outcome.doubts if say_doubts else ():
                    progress.console.print(_marked("!", "yellow", doubt))
                progress.console.print(f"Loaded {describe(chunk)} in {took:.1f} s, run {run_id}.")
    return doubts


def _print_json(found: Mapping[str, Any]) -> None:
    print(json.dumps(found, default=_text, ensure_ascii=False), flush=True)  # noqa: T201


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _marked(mark: str, colour: str, says: str) -> Text:
    return Text.assemble("  ", (mark, colour), f" {visible(says)}")


class RateColumn(ProgressColumn):
    """Hours of data loaded in a minute, once a run has ended."""

    def render(self, task: Task) -> Text:
        """What it says now."""
        return Text(f"{task.speed * 60:.0f} hours a minute" if task.speed else "")


def _require_runs_here(instance: dg.DagsterInstance) -> None:
    # Run monitoring asks the launcher for the container or the pod of every run: one in this process has none, and
    # would be taken for dead and begun again while it is at work.
    launcher = instance.run_launcher
    if not isinstance(launcher, dg.DefaultRunLauncher):
        raise PlatformError(
            f"Runs aren't made in this process where Dagster has a {type(launcher).__name__}: ask for them in the UI, "
            f"with the job {keys.LOAD_JOB}; beside docker-compose.yml, by docker/load.sh FIRST LAST."
        )


def _progress(*, disable: bool) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.completed} of {task.total} hours"),
        BarColumn(),
        RateColumn(),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=disable,
    )


@contextmanager
def _told(instance: dg.DagsterInstance, run_id: str, progress: Progress) -> Iterator[None]:
    """Print each step of the run as it ends, from a thread that reads the run's events."""
    stop = threading.Event()
    thread = threading.Thread(target=_tell, args=(instance, run_id, progress, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _tell(instance: dg.DagsterInstance, run_id: str, progress: Progress, stop: threading.Event) -> None:
    cursor, last_round = None, False
    while True:
        last_round = stop.wait(POLL_SECONDS)
        connection = instance.get_records_for_run(
            run_id, cursor, of_type={dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_FAILURE}
        )
        for record in connection.records:
            event = record.event_log_entry.dagster_event
            if event and event.is_step_success:
                progress.console.print(_marked("✓", "green", (event.step_key or "").replace("__", "/")))
            elif event:
                progress.console.print(_marked("✗", "red", (event.step_key or "").replace("__", "/")))
        cursor = connection.cursor
        if last_round:
            return
