"""What it costs to say whose hour it is: the CRM extract with its history, and the join, at full size.

    python -W ignore bench/ownership.py [prostheses] [hours]

A fleet of the demo on embedded databases; the hours are loaded once, then five times more. Medians of each step in
milliseconds: by the clock, and of this process's processor time, which a busy machine blurs less. To compare two
versions of the code, `git worktree add` the other one and run both in turn.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bionicpro_assets.extract.crm import crm_answer
from bionicpro_assets.extract.postgres import PostgresSource
from bionicpro_assets.extract.telemetry import extract_hourly_telemetry
from bionicpro_assets.hours import HOUR, floor_hour, hour_range
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.setup.clickhouse import apply_clickhouse_schema
from bionicpro_assets.setup.demo import Fleet, make_crm
from bionicpro_assets.setup.embedded import embedded_postgres
from bionicpro_assets.setup.postgres import apply_postgres_schema, call, run_scripts, transaction
from bionicpro_assets.steps.crm import CRM_EXTRACT, extract_crm_hours, remembered
from bionicpro_assets.transform import crm_history as transform
from bionicpro_assets.transform import join
from bionicpro_assets_tests.publishing import publish_frame

ROUNDS = 5


class Stopwatch:
    """Milliseconds of every step."""

    def __init__(self) -> None:
        self.steps: dict[str, list[tuple[float, float]]] = {}

    def __call__(self, step: str, work: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """What the work gives; its time goes to the step."""
        began, worked = time.perf_counter(), time.process_time()
        result = work(*arguments, **options)
        times = time.perf_counter() - began, time.process_time() - worked
        self.steps.setdefault(step, []).append(times)
        return result

    def around(self, module: Any, name: str) -> None:
        """Time every call of a function of a module."""
        work = getattr(module, name)
        setattr(module, name, lambda *arguments, **options: self(f"  {name}", work, *arguments, **options))


def main() -> None:
    """Print a table of the medians."""
    prostheses = int(sys.argv[1]) if len(sys.argv) > 1 else 300_000
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    now = floor_hour(datetime.now(UTC))
    hours = hour_range(now - (count - 1) * HOUR, now)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with embedded_postgres(Path(folder) / "postgres") as urls, ClickHouse(f"chdb://{folder}/clickhouse") as mart:
            crm, telemetry = (PostgresSource(name, urls[name], name) for name in ("crm_db", "telemetry_db"))
            make_crm(crm, Fleet(prostheses=prostheses))
            apply_postgres_schema(telemetry, "telemetry")
            with transaction(telemetry) as cursor:
                run_scripts(cursor, "telemetry/demo")
            call(telemetry, "SELECT demo.generate_hourly_stats(1, %s, %s, %s)", (prostheses, hours[0], now + HOUR))
            apply_clickhouse_schema(mart)
            first = extract_crm_hours(crm, mart, hours)
            publish_frame(mart, CRM_EXTRACT, first, run_id="first", batch_size=10_000)
            measure(crm, telemetry, mart, hours, Stopwatch())


def measure(
    crm: PostgresSource, telemetry: PostgresSource, mart: ClickHouse, hours: list[datetime], timed: Stopwatch
) -> None:
    """The steps of a refresh, several times."""
    for name in ("timelines", "wearers"):
        timed.around(transform, name)
    timed.around(join, "with_reason")
    measured = extract_hourly_telemetry(telemetry, hours).rows
    for _ in range(ROUNDS):
        with crm.snapshot() as snapshot:
            answer = timed("read the CRM", crm_answer, snapshot)
        known = timed("remember", remembered, mart, answer, hours)
        frame = timed("attribute", transform.attribute, answer, known, hours)
        options = {"report_timezone": "UTC", "processed_at": hours[-1]}
        timed("join", join.join_telemetry_with_customers, frame.rows, measured, **options)
    for step, times in timed.steps.items():
        wall, processor = (1000 * statistics.median(column) for column in zip(*times, strict=True))
        print(f"{step:16} {wall:8.0f} ms, processor {processor:8.0f} ms")  # noqa: T201
    print(f"rows: {frame.rows.height} of the CRM, {measured.height} of telemetry")  # noqa: T201


if __name__ == "__main__":
    main()
