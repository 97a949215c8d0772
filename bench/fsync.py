"""What it costs to make ClickHouse wait for the disk: publications with and without fsync, side by side.

    python -W ignore bench/fsync.py [--rows 3000] [--rounds 30]

Both engines get the same publications in turn, so that whatever else the machine does slows both alike. The folders
must be on the disk that is meant: name one with --folder.
"""

import argparse
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from bionicpro_assets.frames import HourlyFrame
from bionicpro_assets.hours import floor_hour
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.table import HourlyTable
from bionicpro_assets.setup.clickhouse import apply_clickhouse_schema
from bionicpro_assets_tests.publishing import publish_frame

MART = "reports.user_prosthesis_stats"
DURABLE = "ALTER TABLE storage.{} MODIFY SETTING fsync_after_insert = 1, fsync_part_directory = 1"
TABLES = ("crm_customer_prosthesis", "hourly_telemetry", "user_prosthesis_stats", "publications")
HOURS = 3


def frame(clickhouse: ClickHouse, rows: int, number: int) -> HourlyFrame:
    """Rows of the mart that differ from those of every other number."""
    now = datetime.now(UTC)
    first = floor_hour(now) - timedelta(hours=HOURS)
    hours = [first + timedelta(hours=h) for h in range(HOURS)]
    columns = HourlyTable.of(clickhouse, MART).columns
    samples = {pl.String: "x" * 12, pl.Date: first.date(), pl.Datetime: first, pl.Float32: 1.5, pl.UInt8: 1}
    made = pl.DataFrame({"n": range(rows)}).select(
        *(pl.lit(samples.get(type(c.dtype), number), dtype=c.dtype).alias(c.name) for c in columns),
        pl.col("n"),
    )
    made = made.with_columns(
        (pl.col("n") // HOURS).cast(pl.UInt32).alias("prosthesis_id"),
        pl.lit(first)
        .dt.offset_by(pl.format("{}h", pl.col("n") % HOURS))
        .cast(made.schema["hour_start"])
        .alias("hour_start"),
    )
    return HourlyFrame(made.drop("n"), dict.fromkeys(hours, now))


def main() -> None:
    """Measure, and print milliseconds and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    took: dict[str, list[float]] = {"as it is": [], "with fsync": []}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for round_ in range(arguments.rounds + 1):
            for name, times in took.items():
                # The embedded engine serves one folder a process at a time: opened outside the measurement.
                with ClickHouse(f"chdb://{folder}/{name.replace(' ', '-')}") as clickhouse:
                    if round_ == 0:
                        apply_clickhouse_schema(clickhouse)
                        if name == "with fsync":
                            for table in TABLES:
                                clickhouse.command(DURABLE.format(table))
                    rows = frame(clickhouse, arguments.rows, round_)
                    began = time.perf_counter()
                    publish_frame(clickhouse, MART, rows, run_id="bench", batch_size=10_000)
                    if round_:
                        times.append(time.perf_counter() - began)
    medians = {name: statistics.median(times) * 1000 for name, times in took.items()}
    for name, median in medians.items():
        print(f"{name}: {median:.0f} ms a publication of {arguments.rows} rows (median of {arguments.rounds})")  # noqa: T201
    print(f"ratio: {medians['with fsync'] / medians['as it is']:.2f}")  # noqa: T201


if __name__ == "__main__":
    main()
