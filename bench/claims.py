"""What the data-quality claims cost: milliseconds of each, on a window of hours of a large fleet with its history.

    python -W ignore bench/claims.py [--chips 30000] [--days 28] [--hours 3] [--rounds 3]

The history is written in SQL, so that making it takes seconds. Its volume is the point, not its values.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from bionicpro_assets.hours import HOUR, floor_hour, hour_range
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.quality.claims import CRM, MART, REJECTED, TELEMETRY, claims
from bionicpro_assets.quality.evaluate import evaluate
from bionicpro_assets.quality.stored import published_verdict
from bionicpro_assets.setup.clickhouse import apply_clickhouse_schema
from bionicpro_assets_tests.quality.histories import settings

NUMBERS = """100 AS movements_count, 90 AS successful_movements, 90 AS success_rate, 121.25 AS avg_response_time,
    80 AS min_response_time, 240 AS max_response_time, 77 AS avg_battery_level, 70 AS min_battery_level,
    84 AS max_battery_level, 33 AS avg_actuator_temp, 36 AS max_actuator_temp, 3 AS error_count, 5 AS warning_count,
    55 AS avg_myo_amplitude, 97 AS avg_connection_quality"""
WHO = "concat('login', c) AS user_id, number AS prosthesis_id, concat('C', c) AS chip_id"
ROWS = {
    TELEMETRY: f"concat('C', c) AS chip_id, hour AS updated_at, {NUMBERS}",
    CRM: f"{WHO}, number AS customer_id, 'A B' AS customer_full_name, concat(c, '@example.org') AS email, "
    "'europe' AS region, concat('S', c) AS prosthesis_serial, 'active' AS prosthesis_status, 'M' AS prosthesis_model, "
    "'hand' AS prosthesis_category, 'named' AS ownership, hour - 86400 AS worn_since, hour AS named_at",
    MART: f"{WHO}, toDate(hour, 'UTC') AS report_date, toHour(hour, 'UTC') AS report_hour, 'A B' AS customer_name, "
    "'M' AS prosthesis_model, concat(c, '@example.org') AS customer_email, 'europe' AS customer_region, "
    f"'hand' AS prosthesis_category, concat('S', c) AS prosthesis_serial, {NUMBERS}",
    REJECTED: f"concat('X', c) AS chip_id, 'nobody' AS reason, 1 AS no_wearer, hour AS first_rejected_at, {NUMBERS}",
}


def publish_in_sql(clickhouse: ClickHouse, name: str, first: datetime, last: datetime, chips: int) -> None:
    """A publication an hour, of rows that are made where they are stored."""
    hours = f"arrayJoin(range({int(first.timestamp())}, {int(last.timestamp()) + 1}, 3600))"
    storage = f"storage.{name.partition('.')[2]}"
    selected = f"SELECT toDateTime({hours}, 'UTC') AS hour_start, toUInt64(1) AS publication"
    names = ", ".join(part.rsplit(" AS ", 1)[1].strip() for part in _split(ROWS[name]))
    clickhouse.command(
        f"INSERT INTO {storage} (hour_start, publication, {names}) SELECT hour, publication, {names} FROM ("
        f"SELECT hour_start AS hour, publication, number, toString(number) AS c, {ROWS[name]} "
        f"FROM ({selected}) AS h CROSS JOIN numbers({chips}) AS n)"
    )
    journal = "table_name, hour_start, publication, source_read_at, started_at, row_count, checksum, run_id"
    clickhouse.command(
        f"INSERT INTO storage.publications ({journal}) "
        f"SELECT '{name}', hour_start, 1, now64(6), now64(6), {chips}, 0, 'bench' FROM ({selected})"
    )


def _split(columns: str) -> list[str]:
    """The expressions of a SELECT list; commas within parentheses don't separate them."""
    parts, depth = [""], 0
    for character in columns:
        depth += (character == "(") - (character == ")")
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def main() -> None:
    """Print a table of milliseconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chips", type=int, default=30_000)
    parser.add_argument("--days", type=int, default=28)
    parser.add_argument("--hours", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    last = floor_hour(datetime.now(UTC)) - HOUR
    window = hour_range(last - (arguments.hours - 1) * HOUR, last)
    with tempfile.TemporaryDirectory() as folder, ClickHouse(f"chdb://{Path(folder) / 'clickhouse'}") as clickhouse:
        apply_clickhouse_schema(clickhouse)
        for day in range(arguments.days, -1, -1):
            begin = last - timedelta(days=day) + HOUR
            end = min(begin + 23 * HOUR, last)
            for name in (CRM, TELEMETRY) if begin <= last else ():
                publish_in_sql(clickhouse, name, begin, end, arguments.chips)
        publish_in_sql(clickhouse, MART, window[0], last, arguments.chips)
        publish_in_sql(clickhouse, REJECTED, window[0], last, arguments.chips // 100)
        costs: dict[tuple[str, str], float] = {}
        for claim in claims(settings("UTC")):
            costs[claim.table, claim.name] = timed(arguments.rounds, partial(evaluate, clickhouse, [claim], window))
        costs[MART, "reports_are_as_published"] = timed(arguments.rounds, lambda: published_verdict(clickhouse, window))
        together = timed(arguments.rounds, partial(evaluate, clickhouse, claims(settings("UTC")), window))
    for (table, name), milliseconds in sorted(costs.items(), key=lambda item: -item[1]):
        print(f"{milliseconds:8.0f} ms  {table}  {name}")  # noqa: T201
    print(f"{together:8.0f} ms  all claims in one go, as a run has them")  # noqa: T201
    window_of = f"{arguments.hours} hours x {arguments.chips} chips, {arguments.days} days of history"
    print(f"{sum(costs.values()):8.0f} ms  all, one after the other, {window_of}")  # noqa: T201


def timed(rounds: int, work: Callable[[], object]) -> float:
    """The least milliseconds of some rounds: what else the machine does only adds to it."""
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        took.append((time.perf_counter() - began) * 1000)
    return min(took)


if __name__ == "__main__":
    main()
