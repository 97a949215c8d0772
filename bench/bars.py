"""What the figures must not exceed: each with its value, the command that prints it, and whether it is met.

    python -m bench.bars [--skip daemon …] [--json FILE]

Runs the commands one after another, each in a process of its own, and takes the figures from what they write with
`--json`. A figure that wasn't measured, or was measured with another fleet than the bar speaks of, gets no verdict.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.refresh import EVERYTHING, FLOOR, NEWEST, NOTHING, OURS, POSTGRESQL, SCENARIOS

PYTHON = "python -W ignore -m"
FULL = "bench.refresh --prostheses 300000"
SMALL = "bench.refresh --prostheses 1000 --only floor"
MIDDLE = "bench.refresh --prostheses 30000 --only floor --rounds 1"
LARGE = "bench.refresh --prostheses 1000000 --only floor --rounds 1"
DAY = "bench.backfill --prostheses 2000 --hours 30 --singly 0"
MONTH = "bench.backfill --prostheses 2000 --hours 720 --singly 0"
YEAR = "bench.backfill --prostheses 100 --hours 8688 --singly 0"
TICK = "bench.daemon --ticks-only"
COMMANDS = {
    "full": FULL, "small": SMALL, "middle": MIDDLE, "large": LARGE,
    "day": DAY, "month": MONTH, "year": YEAR, "daemon": TICK,
}  # fmt: skip

# What a command wrote with --json, by command.
Found = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure and what it must not exceed.

    Attributes:
        figure: What it is.
        commands: What prints it.
        most: The bar.
        value: Takes it from what the commands wrote.
        unit: Of both.
    """

    figure: str
    commands: Sequence[str]
    most: float
    value: Callable[[Found], float]
    unit: str = ""


def _ratio(name: str, to: str, of: str) -> Callable[[Found], float]:
    return lambda found: found[FULL][name][of] / found[FULL][to][of]


def _worst(command: str, figure: Callable[[Mapping[str, Any]], float]) -> Callable[[Found], float]:
    """The most of this platform's refreshes, whatever had changed."""
    return lambda found: max(figure(found[command][name]) for name in (OURS, *SCENARIOS))


def _a_row(found: Mapping[str, Any]) -> float:
    seconds: float = found[OURS]["seconds"] / found[OURS]["rows"]
    return seconds


BARS = [
    Bar("every row of telemetry changed / floor, processor", [FULL], 4.0, _ratio(OURS, FLOOR, "processor")),
    Bar("every row of telemetry changed / floor, clock", [FULL], 3.0, _ratio(OURS, FLOOR, "seconds")),
    Bar("every row of telemetry and the CRM changed / floor, processor", [FULL], 4.0,
        _ratio(EVERYTHING, FLOOR, "processor")),
    Bar("every row of telemetry and the CRM changed / floor, clock", [FULL], 3.0,
        _ratio(EVERYTHING, FLOOR, "seconds")),
    Bar("nothing changed / floor, processor", [FULL], 0.7, _ratio(NOTHING, FLOOR, "processor")),
    Bar("only the newest hour changed / floor, processor", [FULL], 2.2, _ratio(NEWEST, FLOOR, "processor")),
    Bar("every row of telemetry changed / postgresql(), processor", [FULL], 1.9,
        _ratio(OURS, POSTGRESQL, "processor")),
    Bar("every row of telemetry and the CRM changed / postgresql(), processor", [FULL], 1.9,
        _ratio(EVERYTHING, POSTGRESQL, "processor")),
    Bar("only the newest hour changed / postgresql() of the window, processor", [FULL], 1.0,
        _ratio(NEWEST, POSTGRESQL, "processor")),
    Bar("a refresh of 1,000 prostheses, the costliest, processor", [SMALL], 1.5,
        _worst(SMALL, lambda r: r["processor"]), "s"),
    Bar("statements to ClickHouse, the most, 1,000 prostheses", [SMALL], 30,
        _worst(SMALL, lambda r: r["counters"]["statements"])),
    Bar("statements to ClickHouse, the most, 300,000 prostheses", [FULL], 30,
        _worst(FULL, lambda r: r["counters"]["statements"])),
    Bar("bytes of a run's events, the most, 1,000 prostheses", [SMALL], 185_000,
        _worst(SMALL, lambda r: r["counters"]["event_bytes"])),
    Bar("bytes of a run's events, the most, 300,000 prostheses", [FULL], 185_000,
        _worst(FULL, lambda r: r["counters"]["event_bytes"])),
    Bar("memory, 3 hours of 300,000 prostheses, the most", [FULL], 1541, _worst(FULL, lambda r: r["peak_mib"]), "MiB"),
    Bar("memory, 720 hours / 30 hours of 2,000 prostheses", [MONTH, DAY], 1.3,
        lambda found: found[MONTH]["peak_mib"] / found[DAY]["peak_mib"]),
    Bar("time a row, 1,000,000 / 30,000 prostheses", [LARGE, MIDDLE], 1.1,
        lambda found: _a_row(found[LARGE]) / _a_row(found[MIDDLE])),
    Bar("a year of hours, 8,688 of 100 prostheses, clock", [YEAR], 110, lambda found: found[YEAR]["seconds"], "s"),
    Bar("a tick through the daemon, due until visible", [TICK], 9, lambda found: found[TICK]["visible"], "s"),
]  # fmt: skip


def run(skip: Sequence[str] = (), already: Found | None = None) -> dict[str, Mapping[str, Any]]:
    """What the commands write; one that fails is told of, and its figures stay unmeasured."""
    found = dict(already or {})
    for name, command in COMMANDS.items():
        if name in skip or command in found:
            continue
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            arguments = [sys.executable, "-W", "ignore", "-m", *command.split(), "--json", file.name]
            print(f"{PYTHON} {command}", file=sys.stderr, flush=True)  # noqa: T201
            status = subprocess.run(arguments, check=False, stdout=sys.stderr).returncode  # noqa: S603 - our own
            if status:
                print(f"{PYTHON} {command} ended with status {status}.", file=sys.stderr, flush=True)  # noqa: T201
                continue
            found[command] = json.load(file)
    return found


def as_table(found: Found) -> str:
    """A Markdown table: every bar, whether it was measured or not."""
    lines = ["| figure | value | bar | | command |", "|---|--:|--:|---|---|"]
    for bar in BARS:
        command = ", ".join(f"`{PYTHON} {c}`" for c in bar.commands)
        value, verdict = "", "not measured"
        if all(c in found for c in bar.commands):
            # What is judged is what is written.
            measured = round(bar.value(found), 2)
            value, verdict = f"{measured:,.10g}{_unit(bar)}", "met" if measured <= bar.most else "**missed**"
        lines.append(f"| {bar.figure} | {value} | ≤ {bar.most:,g}{_unit(bar)} | {verdict} | {command} |")
    return "\n".join(lines)


def _unit(bar: Bar) -> str:
    return f" {bar.unit}" if bar.unit else ""


def main() -> None:
    """Run the commands, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--skip", nargs="*", default=[], choices=list(COMMANDS), help="leave these out")
    parser.add_argument("--json", type=Path, help="what the commands wrote; what is in it already isn't run again")
    arguments = parser.parse_args()
    already = json.loads(arguments.json.read_text()) if arguments.json and arguments.json.exists() else {}
    found = run(arguments.skip, already)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))
    sys.stdout.write(as_table(found) + "\n")


if __name__ == "__main__":
    main()
