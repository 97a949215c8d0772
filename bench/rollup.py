"""The hourly roll-up against the bare GROUP BY, and one hour of it in a table that holds a year.

    python -m bench.rollup [--prostheses 1000] [--rounds 5] [--days 365] [--json FILE]

One hour of raw rows, one a second from each prosthesis. The bare GROUP BY counts the contract's numbers with plain
averages, and stores nothing; the roll-up is the function as the platform calls it, first into an empty table, then
again. Then the days before are filled with one hour a day of ten prostheses, a tenth of the rows coming days late,
and the hour is rolled up again; beside it the same rows in one table that isn't partitioned.
"""

import argparse
import json
import statistics
import sys
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg2

from bench.sources import databases, window, work_folder
from bionicpro_assets.hours import HOUR
from bionicpro_assets.sqlfiles import sql

ROLL_UP = "SELECT telemetry.aggregate_hourly_stats(%(begins)s)"
BARE = """
    SELECT chip_id, count(movement_type), count(*) FILTER (WHERE movement_type IS NOT NULL AND movement_success),
           avg(response_time_ms), min(response_time_ms), max(response_time_ms), avg(battery_level), min(battery_level),
           max(battery_level), avg(actuator_temp), max(actuator_temp), count(error_code),
           count(*) FILTER (WHERE warning_flags > 0),
           avg(sqrt(coalesce(myo_channel_1 * myo_channel_1, 0) + coalesce(myo_channel_2 * myo_channel_2, 0)
                    + coalesce(myo_channel_3 * myo_channel_3, 0) + coalesce(myo_channel_4 * myo_channel_4, 0))),
           avg(connection_quality)
    FROM telemetry.raw_telemetry
    WHERE "timestamp" >= %(begins)s AND "timestamp" < %(ends)s
    GROUP BY chip_id
"""
# A table as it was before the days: the same rows and indexes.
UNPARTITIONED = """
    CREATE TABLE public.one_table (LIKE telemetry.raw_telemetry INCLUDING DEFAULTS);
    INSERT INTO public.one_table SELECT * FROM telemetry.raw_telemetry ORDER BY telemetry_id;
    CREATE INDEX ON public.one_table USING brin ("timestamp") WITH (pages_per_range = 32);
    CREATE INDEX ON public.one_table (chip_id, "timestamp")
"""


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prostheses", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--days", type=int, default=0, help="days of history; 365 make 13 million more rows")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = measured(arguments.prostheses, arguments.rounds, arguments.days)
    sys.stdout.write(as_table(found) + "\n")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


def measured(prostheses: int, rounds: int, days: int) -> dict[str, float]:
    """Seconds, medians, by what was measured."""
    hour = window(3)[0]
    span = {"begins": hour, "ends": hour + HOUR}
    with (
        work_folder() as folder,
        databases(folder) as sources,
        closing(psycopg2.connect(sources.telemetry.url)) as link,
    ):
        link.autocommit = True
        cursor = link.cursor()
        cursor.execute((Path(__file__).parent / "raw_rows.sql").read_text())
        cursor.execute("SELECT telemetry.make_raw_partitions(%s, now())", (hour - timedelta(days=days),))
        cursor.execute("SELECT pg_temp.send(%s, %s)", (hour, prostheses))
        cursor.execute("VACUUM ANALYZE telemetry.raw_telemetry")
        times: dict[str, list[float]] = {}
        for _ in range(rounds):
            _time(times, "bare GROUP BY", cursor, BARE, span)
            cursor.execute("TRUNCATE telemetry.hourly_stats")
            _time(times, "roll-up, first time", cursor, ROLL_UP, span)
            _time(times, "roll-up, again", cursor, ROLL_UP, span)
        if days:
            _fill(cursor, hour, days)
            small = {"begins": hour - timedelta(days=days // 2), "ends": hour - timedelta(days=days // 2) + HOUR}
            newest = {"begins": hour - timedelta(days=1), "ends": hour - timedelta(days=1) + HOUR}
            cursor.execute(UNPARTITIONED)
            cursor.execute("VACUUM ANALYZE public.one_table")
            whole = BARE.replace("telemetry.raw_telemetry", "public.one_table")
            for _ in range(rounds):
                _time(times, f"after {days} days: roll-up of the big hour", cursor, ROLL_UP, span)
                _time(times, "a small hour, in the newest full day", cursor, BARE, newest)
                _time(times, f"a small hour, {days // 2} days ago", cursor, BARE, small)
                _time(times, f"the same, {days // 2} days ago, without partitions", cursor, whole, small)
                _time(times, "newest row by number", cursor, sql("telemetry/queries/late_newest_raw.sql"), {})
        return {name: statistics.median(taken) for name, taken in times.items()}


def _fill(cursor: Any, hour: Any, days: int) -> None:
    """One hour a day, the late rows last."""
    for back in range(days, 0, -1):
        cursor.execute("SELECT pg_temp.send(%s, 10)", (hour - timedelta(days=back),))
        # What came late stands among the rows of another day, three days on.
        cursor.execute("SELECT pg_temp.send(%s, 1)", (hour - timedelta(days=back + 3) + HOUR,))
    cursor.execute("VACUUM ANALYZE telemetry.raw_telemetry")


def _time(times: dict[str, list[float]], name: str, cursor: Any, statement: str, parameters: dict[str, Any]) -> None:
    began = time.perf_counter()
    cursor.execute(statement, parameters)
    cursor.fetchall()
    times.setdefault(name, []).append(time.perf_counter() - began)


def as_table(found: dict[str, float]) -> str:
    """A Markdown table, ratios first."""
    bare = found["bare GROUP BY"]
    lines = ["| | / bare GROUP BY | s |", "|---|--:|--:|"]
    lines += [f"| {name} | {seconds / bare:.2f} | {seconds:.3f} |" for name, seconds in found.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
