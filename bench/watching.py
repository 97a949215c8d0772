"""What watching costs: processor time of the hourly looks at what stands, on a mart of many days.

    python -W ignore -m bench.watching [--prostheses 20000] [--days 90]

The rows are written in SQL, with a journal that agrees with them; their volume is the point, not their values. A day is
24 counts of everything, and as many months read again as have their turn in it. Beside it stands what the same day's 96
ticks may cost for it to be 5 %; docs/benchmarks.md has what a tick costs.
"""

import argparse
import resource
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from bionicpro_assets.hours import floor_hour, hour_range
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.table import HourlyTable
from bionicpro_assets.setup.clickhouse import apply_clickhouse_schema
from bionicpro_assets.standing.look import CYCLE, TABLES, Record, look, read_again

TICKS, SHARE = 96, 0.05
# What differs from row to row; every other column has one value.
VARYING = {"movements_count": "h % 997", "avg_response_time": "n % 89 / 7", "avg_battery_level": "h % 97 / 3"}
NAMED = {
    "hour_start": "hour",
    "publication": "1",
    "chip_id": "concat('CHIP-', toString(n))",
    "user_id": "concat('user', toString(n))",
    "prosthesis_id": "n",
    "customer_id": "n",
    "customer_name": "concat('Name ', toString(n))",
    "customer_full_name": "concat('Name ', toString(n))",
    "report_date": "toDate(hour, 'UTC')",
    "report_hour": "toHour(hour, 'UTC')",
}


def fill(clickhouse: ClickHouse, name: str, prostheses: int, hours: list[datetime]) -> None:
    """Rows of every hour, and the journal's entries."""
    table = HourlyTable.of(clickhouse, name)
    known = {**VARYING, **NAMED}
    columns = [c.name for c in table.columns if c.name in known] + ["publication"]
    begin = int(hours[0].timestamp())
    hour = f"toDateTime({begin} + 3600 * h, 'UTC')"
    for first in range(0, len(hours), 24):
        count = min(24, len(hours) - first)
        clickhouse.command(
            f"INSERT INTO {table.storage} ({', '.join(columns)}) SELECT {', '.join(known[c] for c in columns)} "
            f"FROM (SELECT number % {prostheses} + 1 AS n, intDiv(number, {prostheses}) + {first} AS h, {hour} AS hour "
            f"FROM numbers({count * prostheses}))"
        )
    clickhouse.command(
        "INSERT INTO storage.publications (table_name, hour_start, publication, source_read_at, row_count, checksum) "
        f"SELECT '{name}', hour_start, 1, hour_start + 3600, count(), {table.checksum} FROM {table.storage} "
        "GROUP BY hour_start"
    )


def seconds(work: Callable[[], object]) -> float:
    """Processor time of this process, the engine in it included."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prostheses", type=int, default=20_000)
    parser.add_argument("--days", type=int, default=90)
    arguments = parser.parse_args()
    until = floor_hour(datetime.now(UTC))
    hours = hour_range(until - timedelta(days=arguments.days), until - timedelta(hours=1))
    with tempfile.TemporaryDirectory() as folder, ClickHouse(f"chdb://{folder}/clickhouse") as clickhouse:
        apply_clickhouse_schema(clickhouse)
        for name in TABLES:
            fill(clickhouse, name, max(1, arguments.prostheses // (100 if "rejected" in name else 1)), hours)
        record = Record(lambda _: set(hours), lambda _, __: {})
        found = []
        counting = seconds(lambda: found.append(look(clickhouse, record, datetime.now(UTC))))
        reading = seconds(lambda: found.append(read_again(clickhouse, dict.fromkeys(TABLES, hours))))
        if said := [sentence for standing in found for sentence in standing.says]:
            raise RuntimeError(f"what was written should stand: {said}")
    day = 24 * counting + reading * 24 / CYCLE
    print(f"{arguments.prostheses} prostheses, {arguments.days} days, processor time in seconds")  # noqa: T201
    print(f"counting everything once          {counting:8.1f}")  # noqa: T201
    print(f"reading everything again, once    {reading:8.1f}")  # noqa: T201
    print(f"a day: 24 counts, 24/{CYCLE} readings {day:8.1f}")  # noqa: T201
    print(f"is {SHARE:.0%} of {TICKS} ticks of             {day / SHARE / TICKS:8.1f} each")  # noqa: T201


if __name__ == "__main__":
    main()
