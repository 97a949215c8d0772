"""What it costs to publish hours again that came out the same: confirmed, as it is done, or written anew.

    python -W ignore bench/unchanged_hours.py [rows an hour]

Three hours of telemetry, five times each in turn, on the embedded engine; medians, and the ratio.
"""

import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta

import polars as pl

from bionicpro_assets.frames import HourlyFrame
from bionicpro_assets.hours import floor_hour
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.setup.clickhouse import apply_clickhouse_schema
from bionicpro_assets_tests.publishing import publish_frame

NAME = "staging.hourly_telemetry"
ROUNDS = 5
INTEGERS = (
    "successful_movements",
    "min_response_time",
    "max_response_time",
    "min_battery_level",
    "max_battery_level",
    "error_count",
    "warning_count",
)
REALS = (
    "success_rate",
    "avg_response_time",
    "avg_battery_level",
    "avg_actuator_temp",
    "max_actuator_temp",
    "avg_myo_amplitude",
    "avg_connection_quality",
)


def window(rows: int, movements: int) -> HourlyFrame:
    """Three hours of so many chips each."""
    now = datetime.now(UTC)
    hours = [floor_hour(now) - timedelta(hours=n) for n in (3, 2, 1)]
    chips = pl.DataFrame({"chip_id": [f"CHIP-{n:06d}" for n in range(rows)]})
    frame = pl.DataFrame({"hour_start": hours}, schema={"hour_start": pl.Datetime("us", "UTC")}).join(
        chips, how="cross"
    )
    number = pl.int_range(pl.len(), dtype=pl.Int64)
    frame = frame.with_columns(
        (number % 3600 + movements).alias("movements_count"),
        *((number % 97).alias(c) for c in INTEGERS),
        *((number % 89 / 7).alias(c) for c in REALS),
        pl.lit(hours[0]).cast(pl.Datetime("us", "UTC")).alias("updated_at"),
        pl.lit("").alias("source_fault"),
    )
    return HourlyFrame(frame, dict.fromkeys(hours, now))


def main() -> None:
    """Print the medians and their ratio."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    seconds: dict[str, list[float]] = {"confirmed": [], "written anew": []}
    with tempfile.TemporaryDirectory() as folder, ClickHouse(f"chdb://{folder}/clickhouse") as clickhouse:
        apply_clickhouse_schema(clickhouse)
        publish_frame(clickhouse, NAME, window(rows, 0), run_id="first", batch_size=10_000)
        for number in range(ROUNDS):
            for kind, movements in (("confirmed", number), ("written anew", number + 1)):
                frame = window(rows, movements)
                began = time.perf_counter()
                published = publish_frame(clickhouse, NAME, frame, run_id=kind, batch_size=10_000)
                seconds[kind].append(time.perf_counter() - began)
                expected = 3 if kind == "confirmed" else 0
                if len(published.unchanged) != expected:
                    raise RuntimeError(f"{len(published.unchanged)} hours were unchanged, and {expected} should be")
        _, ((stored,),) = clickhouse.rows(f"SELECT count() FROM storage.{NAME.partition('.')[2]}")
    medians = {kind: statistics.median(times) for kind, times in seconds.items()}
    for kind, median in medians.items():
        print(f"{kind}: {median:.2f} s for 3 x {rows} rows")  # noqa: T201
    print(f"confirmed / written anew: {medians['confirmed'] / medians['written anew']:.2f}")  # noqa: T201
    print(f"rows stored: {stored}; had unchanged hours been written, {stored + ROUNDS * 3 * rows}")  # noqa: T201


if __name__ == "__main__":
    main()
