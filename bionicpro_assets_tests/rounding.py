"""Both ways to read the roll-up, through the view and from its table, compared by bits on values chosen to part them.

    python -m bionicpro_assets_tests.rounding URL [--millions 6] [--seed 1]

On any server: in a database of its own, which is dropped again, with this platform's view and with the one that stands
in the field. Ends with 1 if anything differs.
"""

import argparse
import io
import math
import random
import struct
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path

import psycopg2

from bionicpro_assets.extract.postgres import PostgresSource
from bionicpro_assets.extract.telemetry import hourly_query
from bionicpro_assets.hours import HOUR
from bionicpro_assets.sqlfiles import scripts, sql, with_instants

AT = datetime(2026, 11, 24, 8, tzinfo=UTC)
AVERAGES = [
    "avg_response_time", "avg_battery_level", "avg_actuator_temp", "max_actuator_temp", "avg_myo_amplitude",
    "avg_connection_quality",
]  # fmt: skip
REALS = ["success_rate", *AVERAGES]
DEPLOYED = Path(__file__).parent / "integration" / "deployed" / "telemetry.sql"
TABLE_QUERY = sql("telemetry/queries/hourly_telemetry_from_table.sql")
# Beyond it, the 15 digits that a cast to numeric leaves are no float8 any more: the view can't be read, nor the table.
LARGEST_REAL = 1.79769313486231e308
EDGES = [
    0.0, -0.0, 5e-324, -5e-324, 2.2250738585072014e-308, 1e-300, 1e-20, -1e-20, 0.004, -0.004, 0.005, -0.005, 0.015, 0.025,
    1.005, 2.675, 1e6, 999_999.995, 999_999.994, 1_000_000.005, 1e9, 123_456_789.125, 1e12, 1e15, 2.0**53, 1e22, 1e300,
    LARGEST_REAL, -LARGEST_REAL, math.inf, -math.inf, math.nan,
]  # fmt: skip
LARGEST = 2**31 - 1

Counts = tuple[int | None, int | None]


def halves(chance: random.Random) -> Iterator[float]:
    """Values on a half of a hundredth, and just beside it, from 1e-3 to 1e12 and on both sides of 0; without end."""
    while True:
        exponent = chance.uniform(-3, 12)
        half = (math.floor(10**exponent * 100) + 0.5) / 100
        digit = 10.0 ** (math.floor(math.log10(half)) - 14)
        beside = [half + sign * step * digit for sign in (1, -1) for step in (0.4, 0.5, 0.6, 1, 2, 5)]
        # Where the quick way begins: x * 100 is 1e-6 away from a half.
        beside += [half + sign * step * 1e-8 for sign in (1, -1) for step in (0.9, 0.999999, 1, 1.000001, 1.1)]
        for direction in (math.inf, -math.inf):
            near = half
            for _ in range(3):
                near = math.nextafter(near, direction)
                beside.append(near)
        for value in (half, *beside):
            yield math.copysign(value, chance.choice((1, 1, -1)))


def reals(chance: random.Random, number: int) -> Iterator[float]:
    """So many values of every kind."""
    yield from EDGES
    near = halves(chance)
    kinds = (
        lambda: next(near),
        lambda: next(near),
        lambda: next(near),
        lambda: chance.randint(-(10**6), 10 ** chance.randint(3, 12)) / 1000,
        lambda: chance.randint(0, 10**9) / chance.randint(1, 3600),
        lambda: float(chance.randint(-(10**3), 10 ** chance.randint(1, 18))),
        lambda: chance.uniform(-300, 300),
        lambda: any_real(chance.getrandbits(64)),
    )
    yield from (chance.choice(kinds)() for _ in range(number))


def any_real(bits: int) -> float:
    """The float8 of these 64 bits, but for those beyond LARGEST_REAL."""
    (value,) = struct.unpack("d", struct.pack("Q", bits))
    return value if not LARGEST_REAL < abs(value) < math.inf else 0.0


def rates(chance: random.Random, number: int) -> Iterator[Counts]:
    """Movements and successful ones: all up to 400, and so many large, impossible and missing ones."""
    yield from ((m, s) for m in range(401) for s in range(m + 1))
    small, large = (-LARGEST - 1, -1, 0, 1, 2, None), (LARGEST, LARGEST - 1, 20_000, 19_999)
    yield from ((m, s) for m in (*small, *large) for s in (*small, *large))
    for _ in range(number):
        movements = chance.randint(1, 10 ** chance.randint(1, 9))
        # 10000 s / m on a half, or as near to one as it gets.
        nearest = (2 * chance.randint(0, 10_000) + 1) * movements // 20_000
        yield from ((movements, nearest), (movements, nearest + 1), (movements, -nearest))
        yield movements, chance.randint(0, LARGEST)
        yield chance.randint(-LARGEST, LARGEST), chance.randint(-LARGEST, LARGEST)


def store(url: str, values: Iterable[float], counts: Sequence[Counts]) -> int:
    """Rows of one hour with these, six values a row, in place of what was there; how many."""
    values = list(values)
    number = max(len(counts), -(-len(values) // len(AVERAGES)))
    real, count = cycle(values), cycle(counts)
    lines = io.StringIO()
    for n in range(number):
        cells = [f"C{n}", AT.isoformat(), *("\\N" if c is None else str(c) for c in next(count))]
        lines.write("\t".join([*cells, *map(repr, islice(real, len(AVERAGES)))]) + "\n")
    lines.seek(0)
    columns = ", ".join(["chip_id", "hour_start", "movements_count", "successful_movements", *AVERAGES])
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("TRUNCATE telemetry.hourly_stats")
        cursor.copy_expert(f"COPY telemetry.hourly_stats ({columns}) FROM STDIN", lines)
    return number


def differences(url: str, settings: str = "") -> tuple[int, list[tuple[object, ...]]]:
    """Rows that were compared by the bits of all their reals, and examples of those that differ."""
    table, view = (
        with_instants(query, since=AT, until=AT + HOUR)
        for query in (TABLE_QUERY, sql("telemetry/queries/hourly_telemetry.sql"))
    )
    differ = " OR ".join(f"float8send(t.{c}) IS DISTINCT FROM float8send(v.{c})" for c in REALS)
    shown = ", ".join(f"h.{c}, t.{c}, v.{c}" for c in AVERAGES)
    both = f"FROM ({table}) t FULL JOIN ({view}) v USING (chip_id)"
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(settings + "SET enable_mergejoin = off; SET enable_nestloop = off; SET jit = off")
        cursor.execute(f"SELECT count(*) FILTER (WHERE t.hour_start = v.hour_start) {both}")
        (compared,) = cursor.fetchone() or (0,)
        cursor.execute(
            f"SELECT h.movements_count, h.successful_movements, t.success_rate, v.success_rate, {shown} {both} "
            f"JOIN telemetry.hourly_stats h USING (chip_id) WHERE {differ} OR t.hour_start IS DISTINCT FROM v.hour_start "
            "LIMIT 5"
        )
        return compared, cursor.fetchall()


def main() -> None:
    """Compare, print, and say by the exit status whether anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="of a database whose user may make another one")
    parser.add_argument("--millions", type=float, default=6)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    ours = "".join(text for name, text in scripts("telemetry/schema") if name[:2] in ("10", "40", "50"))
    failed = False
    for name, schema in (("this platform's view", ours), ("the view in the field", DEPLOYED.read_text())):
        failed |= not _same(arguments.url, name, schema, arguments.millions, arguments.seed)
    sys.exit(failed)


def _same(admin: str, name: str, schema: str, millions: float, seed: int) -> bool:
    database = f"rounding_{random.getrandbits(48):x}"
    with closing(psycopg2.connect(admin)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(f"CREATE DATABASE {database}")
        head, _, query = admin.partition("?")
        url = f"{head.rpartition('/')[0]}/{database}" + (f"?{query}" if query else "")
        try:
            with closing(psycopg2.connect(url)) as made, made, made.cursor() as inside:
                inside.execute(schema)
                inside.execute("ALTER TABLE telemetry.hourly_stats ALTER movements_count DROP NOT NULL")
                inside.execute("ALTER TABLE telemetry.hourly_stats ALTER successful_movements DROP NOT NULL")
            with PostgresSource("telemetry_db", url, "url").snapshot() as snapshot:
                known = hourly_query(snapshot) == TABLE_QUERY
            compared = 0
            bad: list[tuple[object, ...]] = []
            for part in range(math.ceil(millions)):
                chance = random.Random(f"{seed} {part}")
                number = int(1_000_000 * min(1.0, millions - part))
                store(url, reals(chance, number), list(rates(chance, number // 30)))
                rows, differing = differences(url)
                compared, bad = compared + rows, bad + differing
            version = ".".join(str(made.server_version // part % 100) for part in (10_000, 1))
        finally:
            cursor.execute(f"DROP DATABASE {database} WITH (FORCE)")
    said = f"PostgreSQL {version}, {name}: {'known' if known else 'NOT KNOWN'}; {compared} rows, {7 * compared} reals"
    print(f"{said}: {f'differences, like {bad[:5]}' if bad else 'no difference'}")  # noqa: T201
    return known and not bad and compared > 0


if __name__ == "__main__":
    main()
