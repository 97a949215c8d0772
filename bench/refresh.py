"""A quarter-hourly refresh, by this platform and by what people would otherwise use, from the same rows.

    python -m bench.refresh [--prostheses 30000] [--hours 3] [--rounds 3] [--only NAME …] [--json FILE]

`--only floor` leaves out everybody but the floor and this platform.

Each competitor runs in a process of its own, all of them in turn in every round; the figures are medians. Before every
round each row of telemetry is changed, so that nothing can be skipped.
"""

import argparse
import json
import shutil
import statistics
import sys
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bench import where
from bench.measure import Job, Result, compete
from bench.sources import Sources, databases, fill, settle, window, work_folder
from bionicpro_assets.hours import HOUR
from bionicpro_assets.setup.postgres import transaction

FLOOR = "floor"
OURS = "bionicpro_assets"
# Once more, with the kinds of work counted: its own time is of no interest.
WHERE = f"{OURS}, where the time goes"


@dataclass(frozen=True, slots=True)
class Competitor:
    """One way to do it.

    Attributes:
        name: In the table.
        module: Its program.
        arguments: What it is told besides the job.
        keeps: Whether it needs what it stored in the round before.
        reaches: How far it goes, in words.
    """

    name: str
    module: str
    arguments: Sequence[str] = ()
    keeps: bool = False
    reaches: str = "rows in ClickHouse"


COMPETITORS = [
    Competitor(FLOOR, "bench.competitors.floor", reaches="the bytes moved, nothing else"),
    Competitor(
        OURS, "bench.competitors.ours", keeps=True, reaches="audited, checked, published; the whole Dagster job"
    ),
    Competitor("postgresql() in ClickHouse", "bench.competitors.clickhouse_function"),
    Competitor("dlt, pyarrow", "bench.competitors.dlt_source", reaches="load files, not joined"),
    Competitor("dlt, connectorx", "bench.competitors.dlt_source", ["connectorx"], reaches="load files, not joined"),
    Competitor(
        "dagster-clickhouse-polars", "bench.competitors.stock_io_manager", reaches="blocks encoded, up to the socket"
    ),
    Competitor("Airflow tasks", "bench.competitors.airflow_tasks"),
]
CHANGED = """
    UPDATE telemetry.hourly_stats SET error_count = (error_count + 1) % 3600, updated_at = clock_timestamp()
"""


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
    sys.stdout.write(f"{as_table(found)}\n\n{where.as_table(found[WHERE].steps)}\n")
    if arguments.json:
        arguments.json.write_text(json.dumps({name: asdict(result) for name, result in found.items()}, indent=1))


def measured(prostheses: int, hours: int, rounds: int, only: Sequence[str] = ()) -> dict[str, Result]:
    """Medians by competitor, and of this platform also when nothing has changed."""
    competing = [c for c in COMPETITORS if not only or c.name in (*only, FLOOR, OURS)]
    results: dict[str, list[Result]] = {}
    with work_folder() as folder, databases(folder) as sources:
        span = window(hours)
        _say(f"{prostheses} prostheses x {hours} hours: making them ...")
        fill(sources, prostheses, span)
        job = Job(
            sources.crm.url, sources.telemetry.url, sources.host, sources.port,
            int(span[0].timestamp()), int((span[-1] + HOUR).timestamp()), str(folder / "ours"), sources.postmaster,
        )  # fmt: skip
        first = compete("bench.competitors.ours", job, "prepare")
        _say(f"first load: {first.seconds:.1f} s, {first.rows} rows, {first.steps}")
        for number in range(rounds):
            _change(sources)
            for competitor in competing:
                try:
                    result = _once(competitor, job, folder)
                except (RuntimeError, OSError):
                    traceback.print_exc()
                    continue
                results.setdefault(competitor.name, []).append(result)
                _say(f"round {number + 1}, {competitor.name}: {result.seconds:.2f} s, "
                    f"{result.processor:.2f} s of processor, "
                    f"{result.peak_mib:.0f} MiB, "
                     f"{result.rows} rows {result.steps}")  # fmt: skip
            results.setdefault(f"{OURS}, nothing changed", []).append(compete("bench.competitors.ours", job))
        _change(sources)
        results[WHERE] = [compete("bench.competitors.ours", job, "where")]
    return {name: _median(several) for name, several in results.items()}


def _once(competitor: Competitor, job: Job, folder: Path) -> Result:
    if competitor.keeps:
        return compete(competitor.module, job, *competitor.arguments)
    own = folder / "other"
    own.mkdir()
    try:
        return compete(competitor.module, replace(job, folder=str(own)), *competitor.arguments)
    finally:
        shutil.rmtree(own)


def _change(sources: Sources) -> None:
    with transaction(sources.telemetry) as cursor:
        cursor.execute(CHANGED)
    settle(sources)


def _median(results: Sequence[Result]) -> Result:
    steps = {step: statistics.median(r.steps.get(step, 0.0) for r in results) for step in results[0].steps}
    return Result(
        statistics.median(r.seconds for r in results),
        statistics.median(r.processor for r in results),
        statistics.median(r.peak_mib for r in results),
        results[-1].rows,
        steps,
    )


def as_table(found: dict[str, Result]) -> str:
    """A Markdown table, ratios first."""
    floor, ours = found[FLOOR], found[OURS]
    reaches = {c.name: c.reaches for c in COMPETITORS}
    lines = [
        "| | time / floor | time / ours | processor / ours | memory / ours | s | processor, s | MiB | it reaches |",
        "|---|--:|--:|--:|--:|--:|--:|--:|---|",
    ]
    for name, r in found.items():
        if name == WHERE:
            continue
        lines.append(
            f"| {name} | {r.seconds / floor.seconds:.2f} | {r.seconds / ours.seconds:.2f} | "
            f"{r.processor / ours.processor:.2f} | {r.peak_mib / ours.peak_mib:.2f} | {r.seconds:.2f} | "
            f"{r.processor:.2f} | "
            f"{r.peak_mib:.0f} | "
            f"{reaches.get(name, reaches[OURS])} |"
        )
    return "\n".join(lines)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
