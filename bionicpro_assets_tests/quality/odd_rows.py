"""Odd values in single rows of a healthy fleet: every other row is published, and every odd one is where it belongs.

    python -W ignore -m bionicpro_assets_tests.quality.odd_rows --rows 2000 [--seed 1]

Every load draws, for rows of both sources, a column each and a value from the extremes of its PostgreSQL type. Then the
sources are healed and loaded again. A failure prints the seed of its load.
"""

import argparse
import math
import random
import struct
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import psycopg2

from bionicpro_assets.extract.observe import CUSTOMERS, HOURLY_STATS, PROSTHESES, RAW_TELEMETRY, observe
from bionicpro_assets.hours import HOUR, floor_hour
from bionicpro_assets.late.find import Finder
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.quality.claims import claims
from bionicpro_assets.setup.clickhouse import apply_clickhouse_schema
from bionicpro_assets_tests.integration.sources import Sources
from bionicpro_assets_tests.publishing import publish_window
from bionicpro_assets_tests.quality.histories import settings

CHIPS = 160
# Of each source, in one load; so few that no claim takes the source for broken.
ODD = 40

BIGINTS = ["-9223372036854775808", "-1", "0", "2147483648", "4294967295", "4294967296", "9223372036854775807", None]
NUMBERS = [
    *[
        "NaN",
        "Infinity",
        "-Infinity",
        "-1",
        "0",
        "-0.0",
        "1e-400",
        "5e-324",
        "1.7976931348623157e308",
        "1e308",
        "1e400",
    ],
    *["3.5e38", "-3.5e38", "99999999999999999999.99", "100.004", "1" + "0" * 1000, None],
]
STAMPS = [
    *["-infinity", "infinity", "4713-01-01 00:00+00 BC", "0001-01-01 00:00+00", "1899-12-31 23:59:59.999999+00"],
    *["1900-01-01 00:00+00", "1969-12-31 23:59:59+00", "1970-01-01 00:00+00", "2106-02-07 06:28:16+00"],
    *[
        "2299-12-31 00:00:00.000001+00",
        "9999-12-31 23:59:59.999999+00",
        "20226-01-01 00:00+00",
        "294276-12-31 00:00+00",
    ],
    None,
]
TEXTS = [
    *["", " ", "\u00a0", "\u200b", "\u001f", "\u2800\u3164", "\ufeff", "\u202e", "\r\n\t", "\u0001", "\u007f", "a\u200bb"],
    *["Ж" * 300, "é", "e\u0301", "李", "👩🏽\u200d🦱", "\U0010ffff", "\ufffe", "'; DROP TABLE x; --", '"', "\\N", "\\", "NULL"],
    *["{{x}}", "%s", "<script>", "x" * 65, "\ue000", "\U000e0001", None],
]  # fmt: skip
LONG_TEXT = "Ж" * 5_000_000

CRM_COLUMNS: dict[str, tuple[str, list[Any]]] = {
    "customer_id": ("bigint", [None]),
    **dict.fromkeys(
        ("user_id", "customer_full_name", "email", "region", "branch"),
        ("text", TEXTS),
    ),
    # A number that can be is another prosthesis, and no mistake.
    "prosthesis_id": ("bigint", [n for n in BIGINTS if n not in ("0", "2147483648", "4294967295")]),
    **dict.fromkeys(
        ("prosthesis_serial", "chip_id", "prosthesis_status", "prosthesis_model"),
        ("text", TEXTS),
    ),
    "prosthesis_category": ("text", TEXTS),
    **dict.fromkeys(("customer_updated_at", "prosthesis_updated_at"), ("timestamptz", STAMPS)),
}
COUNTS = ("movements_count", "successful_movements", "min_response_time", "max_response_time", "min_battery_level",
          "max_battery_level", "error_count", "warning_count")  # fmt: skip
AVERAGES = ("success_rate", "avg_response_time", "avg_battery_level", "avg_actuator_temp", "max_actuator_temp",
            "avg_myo_amplitude", "avg_connection_quality")  # fmt: skip
TELEMETRY_COLUMNS: dict[str, tuple[str, list[Any]]] = {
    "hour_start": (
        "timestamptz",
        ["-infinity", "infinity", "20226-01-01 00:00+00", "0001-01-01 00:00+00", "askew", None],
    ),
    "chip_id": ("text", TEXTS),
    **dict.fromkeys(COUNTS, ("bigint", BIGINTS)),
    **dict.fromkeys(AVERAGES, ("numeric", NUMBERS)),
    "updated_at": ("timestamptz", STAMPS),
}
# Columns of the mart by those of the CRM.
SHOWN = {
    "user_id": "user_id", "customer_full_name": "customer_name", "email": "customer_email", "region": "customer_region",
    "branch": "customer_branch", "prosthesis_serial": "prosthesis_serial", "prosthesis_model": "prosthesis_model",
    "prosthesis_category": "prosthesis_category",
}  # fmt: skip
HEALTHY = {
    "movements_count": 100, "successful_movements": 90, "success_rate": 90, "avg_response_time": 120.5,
    "min_response_time": 80, "max_response_time": 240, "avg_battery_level": 77.25, "min_battery_level": 70,
    "max_battery_level": 84, "avg_actuator_temp": 33.5, "max_actuator_temp": 36.5, "error_count": 3, "warning_count": 5,
    "avg_myo_amplitude": 55.5, "avg_connection_quality": 97.25,
}  # fmt: skip
Drawn = Mapping[int, tuple[str, Any]]


@contextmanager
def statements(url: str) -> Iterator[Any]:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        yield cursor


def loosen(sources: Sources) -> None:
    """Tables of the data contract's types in place of the views, without a rule for a value."""
    for url, view, columns in (
        (sources.crm.url, "crm.v_customer_prosthesis", CRM_COLUMNS),
        (sources.telemetry.url, "telemetry.v_hourly_telemetry", TELEMETRY_COLUMNS),
    ):
        names = ", ".join(f"{name} {kind}" for name, (kind, _) in columns.items())
        with statements(url) as cursor:
            cursor.execute(f"DROP VIEW {view}; CREATE TABLE {view} (number integer, {names})")


def fill(sources: Sources, hour: datetime) -> None:
    """The healthy fleet: a person, a prosthesis and an hour for each chip."""
    with statements(sources.crm.url) as cursor:
        cursor.execute("TRUNCATE crm.v_customer_prosthesis")
        cursor.execute(
            "INSERT INTO crm.v_customer_prosthesis SELECT n, n, 'u' || n, 'Иванова Анна', n || '@example.org', 'russia', "
            "'Казань', n, 'BP-' || n, 'C' || n, 'active', 'Hand', 'hand', %s, %s FROM generate_series(1, %s) n",
            (*[hour - timedelta(days=90)] * 2, CHIPS),
        )
    with statements(sources.telemetry.url) as cursor:
        cursor.execute("TRUNCATE telemetry.v_hourly_telemetry")
        cursor.execute(
            f"INSERT INTO telemetry.v_hourly_telemetry (number, hour_start, chip_id, updated_at, {', '.join(HEALTHY)}) "
            f"SELECT n, %s, 'C' || n, %s, {', '.join(map(str, HEALTHY.values()))} FROM generate_series(1, %s) n",
            (hour, hour + HOUR, CHIPS),
        )


def draw(dice: random.Random, columns: Mapping[str, tuple[str, list[Any]]], rows: list[int], hour: datetime) -> Drawn:
    """For each row a column, and a value from the extremes of its type."""
    drawn = {}
    for row in rows:
        column = dice.choice(list(columns))
        value = dice.choice(columns[column][1])
        drawn[row] = (column, (hour + timedelta(minutes=30)).isoformat() if value == "askew" else value)
    return drawn


def spoil(url: str, view: str, drawn: Drawn) -> None:
    with statements(url) as cursor:
        for row, (column, value) in drawn.items():
            cursor.execute(f"UPDATE {view} SET {column} = %s WHERE number = %s", (value, row))


def chip_of(row: int, telemetry: Drawn) -> str:
    """The chip under which a row of telemetry is to be found."""
    column, value = telemetry.get(row, ("", None))
    return (value or "")[:65] if column == "chip_id" else f"C{row}"


def state_of(clickhouse: ClickHouse) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """The mart's rows by chip, and the reasons of what is set aside by chip."""
    names, rows = clickhouse.rows("SELECT * FROM reports.user_prosthesis_stats")
    mart = [dict(zip(names, row, strict=True)) for row in rows]
    assert len({row["chip_id"] for row in mart}) == len(mart)
    _, aside = clickhouse.rows("SELECT chip_id, reason FROM quarantine.rejected_telemetry")
    return {row["chip_id"]: row for row in mart}, {str(chip): str(reason) for chip, reason in aside}


def check(clickhouse: ClickHouse, crm: Drawn, telemetry: Drawn) -> None:
    """The healthy rows are published as they are, and each odd one is in the reports or set aside with a reason."""
    mart, aside = state_of(clickhouse)
    for row in range(1, CHIPS + 1):
        chip, (of_crm, of_person), (column, value) = (
            chip_of(row, telemetry),
            crm.get(row, ("", None)),
            telemetry.get(row, ("", None)),
        )
        where = f"{chip[:20]!r}: {of_crm} = {str(of_person)[:40]!r}, {column} = {str(value)[:40]!r}"
        if column == "hour_start" and (value is None or "T" not in value):
            assert chip not in mart, where
            assert chip not in aside, f"{where}: it is of no hour"
            continue
        assert (chip in mart) != (chip in aside), f"{where}: {aside.get(chip)}"
        if row not in crm and row not in telemetry:
            assert chip in mart, where
        if chip in aside:
            assert aside[chip], where
            continue
        shown = mart[chip]
        assert shown["user_id"] == (of_person if of_crm == "user_id" else f"u{row}"), where
        assert shown["prosthesis_id"] == row, where
        if of_crm in SHOWN:
            assert shown[SHOWN[of_crm]] == (of_person or ""), where
        for name, healthy in HEALTHY.items():
            wanted = float((value or 0) if name == column else healthy)
            assert math.isfinite(wanted), where
            if isinstance(shown[name], float):
                wanted = struct.unpack("f", struct.pack("f", wanted))[0]
            assert shown[name] == wanted, f"{where}: {name} is {shown[name]}"


def one_load(sources: Sources, clickhouse: ClickHouse, seed: int, hour: datetime, odd: int = ODD) -> int:
    """Draw, load, check, heal, load, check; how many rows were drawn."""
    dice = random.Random(seed)
    of_crm = draw(dice, CRM_COLUMNS, dice.sample(range(1, CHIPS + 1), odd), hour)
    of_telemetry = draw(dice, TELEMETRY_COLUMNS, dice.sample(range(1, CHIPS + 1), odd), hour)
    # A chip that both sources happen to name alike is a chip like any other, of another person.
    worn = {value for column, value in of_crm.values() if column == "chip_id"}
    of_telemetry = {row: drawn for row, drawn in of_telemetry.items() if drawn[0] != "chip_id" or drawn[1] not in worn}
    if seed % 10 == 0:
        of_crm = {**of_crm, 1: ("customer_full_name", LONG_TEXT)}
        of_telemetry = {**of_telemetry, 2: ("chip_id", LONG_TEXT)}
    fill(sources, hour)
    spoil(sources.crm.url, "crm.v_customer_prosthesis", of_crm)
    spoil(sources.telemetry.url, "telemetry.v_hourly_telemetry", of_telemetry)
    rules = claims(settings("UTC"))

    def load() -> None:
        publish_window(
            sources.crm, sources.telemetry, clickhouse, [hour], run_id="odd", batch_size=10_000, claims=rules
        )

    load()
    check(clickhouse, of_crm, of_telemetry)
    look(sources)
    fill(sources, hour)
    load()
    check(clickhouse, {}, {})
    assert state_of(clickhouse)[1] == {}
    return len(of_crm) + len(of_telemetry)


def look(sources: Sources) -> None:
    """The sensor of late hours and the observation go on."""
    with dg.DagsterInstance.ephemeral() as instance:
        finder = Finder(instance, sources.crm, sources.telemetry, settings("UTC"), datetime.now(UTC))
        finder.tick(finder.tick(None).cursor)
    observe(sources.crm, [CUSTOMERS, PROSTHESES])
    observe(sources.telemetry, [RAW_TELEMETRY, HOURLY_STATS])


def main() -> None:
    """Draw as many rows as asked for, a load after the other."""
    # Imported here: fixtures are made for pytest.
    from bionicpro_assets_tests.integration.conftest import fresh_sources, running_postgres

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    began, drawn, seed = time.process_time(), 0, arguments.seed
    hour = floor_hour(datetime.now(UTC)) - 3 * HOUR
    with running_postgres() as admin, fresh_sources(admin) as sources:
        loosen(sources)
        while drawn < arguments.rows:
            with tempfile.TemporaryDirectory() as folder, ClickHouse(f"chdb://{folder}/clickhouse") as clickhouse:
                apply_clickhouse_schema(clickhouse)
                try:
                    drawn += one_load(sources, clickhouse, seed, hour)
                except BaseException:
                    print(f"--seed {seed}")  # noqa: T201
                    raise
            seed += 1
    print(f"{drawn} odd rows in {seed - arguments.seed} loads, {time.process_time() - began:.0f} s")  # noqa: T201


if __name__ == "__main__":
    main()
