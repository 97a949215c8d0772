"""A quarter-hourly refresh, by this platform and by what people would otherwise use, from the same rows.

    python -m bench.refresh [--prostheses 30000] [--hours 3] [--rounds 3] [--only NAME …] [--json FILE]

`--only floor` leaves out everybody but the floor and this platform.

Each competitor runs in a process of its own, all of them in turn in every round, after each row of telemetry was
changed; the figures are medians. This platform refreshes three times more in its turn: with nothing changed, with only
the newest hour changed, and with each row of telemetry and of the CRM changed. After each of its runs the mart must
hold what the sources give; otherwise this ends with an error.

The hours have all ended before the first load, so it makes no difference when in an hour this runs or how long it
takes; the newest of them plays the open hour's part.
"""

import argparse
import json
import shutil
import statistics
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bench import changes, where
from bench.measure import Job, Result, compete
from bench.sources import databases, ended, fill, work_folder
from bionicpro_assets.hours import HOUR

FLOOR = "floor"
OURS = "bionicpro_assets"
POSTGRESQL = "postgresql() in ClickHouse"
# Once more, with the kinds of work counted: its own time is of no interest.
WHERE = f"{OURS}, where the time goes"


@dataclass(frozen=True, slots=True)
class Competitor:
    """One way to do it.

    Attributes:
        name: In the table.
        module: Its program.
        arguments: What it is told besides the job.
        reaches: How far it goes, in words.
    """

    name: str
    module: str
    arguments: Sequence[str] = ()
    reaches: str = "rows in ClickHouse"


COMPETITORS = [
    Competitor(FLOOR, "bench.competitors.floor", reaches="the bytes moved, nothing else"),
    Competitor(OURS, "bench.competitors.ours", reaches="audited, checked, published; the whole Dagster job"),
    Competitor(POSTGRESQL, "bench.competitors.clickhouse_function"),
    Competitor("quickhouse", "bench.competitors.quickhouse_sync", reaches="two tables in ClickHouse, not joined"),
    Competitor("dlt, pyarrow", "bench.competitors.dlt_source", reaches="load files, not joined"),
    Competitor("dlt, connectorx", "bench.competitors.dlt_source", ["connectorx"], reaches="load files, not joined"),
    Competitor(
        "dagster-clickhouse-polars", "bench.competitors.stock_io_manager", reaches="blocks encoded, up to the socket"
    ),
    Competitor("Airflow tasks", "bench.competitors.airflow_tasks"),
]
# What this platform refreshes after, beside what all do: every row of telemetry changed.
NOTHING = f"{OURS}, nothing changed"
NEWEST = f"{OURS}, only the newest hour changed"
EVERYTHING = f"{OURS}, the CRM changed too"
SCENARIOS: Mapping[str, changes.Change] = {
    NOTHING: changes.nothing,
    NEWEST: changes.newest_hour,
    EVERYTHING: changes.everything,
}


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prostheses", type=int, default=30_000)
    parser.add_argument("--hours", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = measured(arguments.prostheses, arguments.hours, arguments.rounds, arguments.only)
    counted = as_counters({arguments.prostheses: found})
    sys.stdout.write(f"{as_table(found)}\n\n{counted}\n\n{where.as_table(found[WHERE].steps)}\n")
    if arguments.json:
        arguments.json.write_text(json.dumps({name: asdict(result) for name, result in found.items()}, indent=1))


def measured(prostheses: int, hours: int, rounds: int, only: Sequence[str] = ()) -> dict[str, Result]:
    """Medians by competitor, and of this platform also after the other changes.

    Raises:
        RuntimeError: The floor or this platform failed, or the mart isn't what the sources give.
    """
    where.require_names()
    competing = [c for c in COMPETITORS if not only or c.name in (*only, FLOOR, OURS)]
    results: dict[str, list[Result]] = {}
    with work_folder() as folder, databases(folder) as sources:
        span = ended(hours)
        _say(f"{prostheses} prostheses x {hours} hours: making them ...")
        fill(sources, prostheses, span)
        job = Job(
            sources.crm.url, sources.telemetry.url, sources.host, sources.port,
            int(span[0].timestamp()), int((span[-1] + HOUR).timestamp()), str(folder / "ours"), sources.postmaster,
        )  # fmt: skip

        def refreshed(name: str, *arguments: str) -> None:
            result = compete("bench.competitors.ours", job, *arguments)
            if result.held != (there := changes.expected(sources, span)):
                raise RuntimeError(f"{name}: the mart has {result.held} (rows, errors, names), the sources {there}.")
            results.setdefault(name, []).append(result)
            _tell(name, result)

        refreshed("first load", "prepare")
        for _ in range(rounds):
            changes.telemetry(sources, span)
            for competitor in competing:
                if competitor.name == OURS:
                    refreshed(OURS)
                    for name, change in SCENARIOS.items():
                        change(sources, span)
                        refreshed(name)
                    continue
                try:
                    result = _once(competitor, job, folder)
                except (RuntimeError, OSError):
                    if competitor.name == FLOOR:
                        raise
                    traceback.print_exc()
                    continue
                results.setdefault(competitor.name, []).append(result)
                _tell(competitor.name, result)
        changes.telemetry(sources, span)
        refreshed(WHERE, "where")
    del results["first load"]
    return {name: _median(several) for name, several in results.items()}


def _once(competitor: Competitor, job: Job, folder: Path) -> Result:
    own = folder / "other"
    own.mkdir()
    try:
        return compete(competitor.module, replace(job, folder=str(own)), *competitor.arguments)
    finally:
        shutil.rmtree(own)


def _median(results: Sequence[Result]) -> Result:
    return Result(
        statistics.median(r.seconds for r in results),
        statistics.median(r.processor for r in results),
        statistics.median(r.peak_mib for r in results),
        results[-1].rows,
        {step: statistics.median(r.steps.get(step, 0.0) for r in results) for step in results[0].steps},
        {name: statistics.median(r.counters[name] for r in results) for name in results[0].counters},
        results[-1].held,
    )


def as_table(found: Mapping[str, Result]) -> str:
    """A Markdown table, ratios first."""
    floor, ours, postgresql = found[FLOOR], found[OURS], found.get(POSTGRESQL)
    reaches = {c.name: c.reaches for c in COMPETITORS}
    lines = [
        "| | processor / floor | time / floor | processor / postgresql() | time / postgresql() | memory / ours | s "
        "| processor, s | MiB | it reaches |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|---|",
    ]
    for name, r in found.items():
        if name == WHERE:
            continue
        beside = (
            f"{r.processor / postgresql.processor:.2f} | {r.seconds / postgresql.seconds:.2f}"
            if postgresql
            else "– | –"
        )
        lines.append(
            f"| {name} | {r.processor / floor.processor:.2f} | {r.seconds / floor.seconds:.2f} | {beside} | "
            f"{r.peak_mib / ours.peak_mib:.2f} | {r.seconds:.2f} | {r.processor:.2f} | {r.peak_mib:.0f} | "
            f"{reaches.get(name, reaches[OURS])} |"
        )
    return "\n".join(lines)


def as_counters(by_size: Mapping[int, Mapping[str, Result]]) -> str:
    """A Markdown table of what a run of this platform costs beside time, by the size of the fleet."""
    lines = [
        "| | prostheses | processor, s | s | statements to ClickHouse | connections | events in Dagster "
        "| their bytes |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for prostheses, found in by_size.items():
        for name in (OURS, *SCENARIOS):
            r = found[name]
            lines.append(
                f"| {name} | {prostheses:,} | {r.processor:.2f} | {r.seconds:.2f} | {r.counters['statements']:.0f} | "
                f"{r.counters['connections']:.0f} | {r.counters['events']:.0f} | {r.counters['event_bytes']:,.0f} |"
            )
    return "\n".join(lines)


def _tell(name: str, result: Result) -> None:
    _say(
        f"{name}: {result.seconds:.2f} s, {result.processor:.2f} s of processor, {result.peak_mib:.0f} MiB, "
        f"{result.rows} rows {result.steps} {result.counters}"
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
