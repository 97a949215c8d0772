"""What changes in the sources between two refreshes, and what the mart must hold after one.

Every change says itself how many rows it really changed, value and stamp; fewer than all of them is an error, because a
refresh that may skip what stayed the same would be measured at something else.
"""

from collections.abc import Callable
from contextlib import closing
from datetime import datetime

import psycopg2

from bench.sources import Sources, settle
from bionicpro_assets.extract.postgres import PostgresSource
from bionicpro_assets.hours import HOUR
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.setup.postgres import transaction

HOURS = "hour_start >= %(since)s AND hour_start < %(until)s"
TELEMETRY = f"""
    WITH changed AS (
        UPDATE telemetry.hourly_stats SET error_count = (error_count + 1) % 3600, updated_at = clock_timestamp()
        WHERE {HOURS}
        RETURNING new.error_count <> old.error_count AND new.updated_at > old.updated_at AS really
    )
    SELECT count(*) FILTER (WHERE really), (SELECT count(*) FROM telemetry.hourly_stats WHERE {HOURS}) FROM changed
""".replace("% 3600", "%% 3600")
# The stamps are the trigger's: it moves them where a value differs.
CUSTOMERS = """
    WITH changed AS (
        UPDATE crm.customers SET first_name = last_name, last_name = first_name,
            phone = translate(phone, '0123456789', '1234567890')
        RETURNING new.first_name <> old.first_name AND new.last_name <> old.last_name AND new.phone <> old.phone
            AND new.updated_at > old.updated_at AS really
    )
    SELECT count(*) FILTER (WHERE really), (SELECT count(*) FROM crm.customers) FROM changed
"""
PROSTHESES = """
    WITH changed AS (
        UPDATE crm.prostheses SET firmware_version = translate(firmware_version, '0123456789', '1234567890')
        RETURNING new.firmware_version <> old.firmware_version AND new.updated_at > old.updated_at AS really
    )
    SELECT count(*) FILTER (WHERE really), (SELECT count(*) FROM crm.prostheses) FROM changed
"""
COUNTED = f"SELECT chip_id, count(*), sum(error_count) FROM telemetry.hourly_stats WHERE {HOURS} GROUP BY chip_id"
NAMED = """
    SELECT chip_id, crc32(convert_to(customer_full_name, 'UTF8')) FROM crm.v_customer_prosthesis
    WHERE chip_id IS NOT NULL
"""
# The same three numbers of the mart, in the order of `expected`; report times are UTC here.
HELD = """
    SELECT count(), sum(error_count), sum(toUInt64(CRC32(customer_name))) FROM reports.user_prosthesis_stats
    WHERE addHours(toDateTime(report_date, 'UTC'), report_hour) >= toDateTime({since:UInt32}, 'UTC')
      AND addHours(toDateTime(report_date, 'UTC'), report_hour) < toDateTime({until:UInt32}, 'UTC')
"""

Change = Callable[[Sources, list[datetime]], None]


def nothing(sources: Sources, hours: list[datetime]) -> None:
    """No change."""


def telemetry(sources: Sources, hours: list[datetime]) -> None:
    """Every row of telemetry of the hours: a count and the stamp."""
    _change(sources.telemetry, "telemetry.hourly_stats", TELEMETRY, hours)
    settle(sources)


def newest_hour(sources: Sources, hours: list[datetime]) -> None:
    """Every row of telemetry of the newest hour, and of no other."""
    telemetry(sources, hours[-1:])


def everything(sources: Sources, hours: list[datetime]) -> None:
    """Every row of telemetry and of the CRM: the names and phone of every customer, and every firmware version."""
    _change(sources.crm, "crm.customers", CUSTOMERS, hours)
    _change(sources.crm, "crm.prostheses", PROSTHESES, hours)
    telemetry(sources, hours)


def _change(source: PostgresSource, table: str, statement: str, hours: list[datetime]) -> None:
    with transaction(source) as cursor:
        cursor.execute(statement, {"since": hours[0], "until": hours[-1] + HOUR})
        ((changed, there),) = cursor.fetchall()
    if not there or changed != there:
        raise RuntimeError(f"{changed} of {there} rows of {table} were changed, and all of them should be.")


def expected(sources: Sources, hours: list[datetime]) -> tuple[int, int, int]:
    """Rows of the mart, their errors, and a checksum of their names, worked out from the sources."""
    with closing(psycopg2.connect(sources.crm.url)) as link, link.cursor() as cursor:
        cursor.execute(NAMED)
        names = dict(cursor.fetchall())
    with closing(psycopg2.connect(sources.telemetry.url)) as link, link.cursor() as cursor:
        cursor.execute(COUNTED, {"since": hours[0], "until": hours[-1] + HOUR})
        worn = [(rows, int(errors), names[chip]) for chip, rows, errors in cursor.fetchall() if chip in names]
    return sum(r for r, _, _ in worn), sum(e for _, e, _ in worn), sum(r * name for r, _, name in worn)


def held(url: str, since: int, until: int) -> tuple[int, ...]:
    """The same numbers as readers of the mart get them, for hours between two Unix seconds."""
    with ClickHouse(url) as clickhouse:
        _, (numbers,) = clickhouse.rows(HELD, {"since": since, "until": until})
    return tuple(int(number) for number in numbers)
