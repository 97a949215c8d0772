"""What it costs to start: the code location's import against Dagster's own, and `bionicpro --help`.

    python -m bench.startup [--rounds 7]

Each is a process of its own; seconds of its processor time, which a busy machine blurs less, and by the clock.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

SUBJECTS = {
    "Python alone": ["-c", "pass"],
    "import dagster": ["-c", "import dagster"],
    "import bionicpro_assets.definitions": ["-c", "import bionicpro_assets.definitions"],
    "bionicpro --help": [str(Path(sys.executable).parent / "bionicpro"), "--help"],
}

Times = dict[str, tuple[float, float]]


def measured(rounds: int) -> Times:
    """Median seconds of processor time and by the clock."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in SUBJECTS}
    for number in range(rounds + 1):
        for name, arguments in SUBJECTS.items():
            began, before = time.perf_counter(), os.times()
            subprocess.run([sys.executable, "-W", "ignore", *arguments], check=True, stdout=subprocess.DEVNULL)  # noqa: S603
            after = os.times()
            cpu = after.children_user + after.children_system - before.children_user - before.children_system
            # The first of each fills the file cache.
            if number:
                taken[name].append((cpu, time.perf_counter() - began))
    return {name: tuple(statistics.median(t) for t in zip(*times, strict=True)) for name, times in taken.items()}  # type: ignore[misc]


def as_table(found: Times) -> str:
    """A Markdown table, ratios first."""
    dagster = found["import dagster"][0]
    lines = ["| | / import dagster | processor, s | by the clock, s |", "|---|--:|--:|--:|"]
    lines += [f"| `{name}` | {cpu / dagster:.2f} | {cpu:.2f} | {clock:.2f} |" for name, (cpu, clock) in found.items()]
    return "\n".join(lines)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    sys.stdout.write(as_table(measured(parser.parse_args().rounds)) + "\n")


if __name__ == "__main__":
    main()
