"""Source databases to write rows into, and what SQL on them says the mart must hold."""

import struct
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import md5
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4
from zoneinfo import ZoneInfo

import psycopg2

from bionicpro_assets.extract.postgres import PostgresSource

# The mart's columns that are compared: all but etl_processed_at.
COMPARED = [
    "user_id", "prosthesis_id", "chip_id", "report_date", "report_hour", "customer_name", "prosthesis_model",
    "movements_count", "successful_movements", "avg_response_time", "avg_battery_level", "error_count",
    "customer_email", "customer_region", "customer_branch", "prosthesis_category", "prosthesis_serial",
    "success_rate", "min_response_time", "max_response_time", "min_battery_level", "max_battery_level",
    "avg_actuator_temp", "max_actuator_temp", "warning_count", "avg_connection_quality", "avg_myo_amplitude",
    "source_updated_at",
]  # fmt: skip

# Written from the data contract, on the tables and not on the views that the extracts read.
OWNERS = """
    SELECT p.chip_id, c.external_id, p.prosthesis_id FROM crm.customers c JOIN crm.prostheses p USING (customer_id)
    WHERE p.chip_id IS NOT NULL
"""
PEOPLE = """
    SELECT external_id,
           last_name || ' ' || first_name || CASE WHEN middle_name IS NULL THEN '' ELSE ' ' || middle_name END,
           email, region, coalesce(branch, '')
    FROM crm.customers
"""
UNITS = """
    SELECT p.prosthesis_id, m.model_name, m.category, p.serial_number
    FROM crm.prostheses p JOIN crm.prosthesis_models m USING (model_id)
"""
HOURS = """
    SELECT chip_id, extract(epoch FROM hour_start)::bigint,
           coalesce(movements_count, 0), coalesce(successful_movements, 0),
           coalesce(round(avg_response_time::numeric, 2), 0)::float8,
           coalesce(round(avg_battery_level::numeric, 2), 0)::float8, coalesce(error_count, 0),
           coalesce(CASE WHEN movements_count > 0
                         THEN round(successful_movements * 100.0 / movements_count, 2) END, 0)::float8,
           coalesce(min_response_time, 0), coalesce(max_response_time, 0),
           coalesce(min_battery_level, 0), coalesce(max_battery_level, 0),
           coalesce(round(avg_actuator_temp::numeric, 2), 0)::float8,
           coalesce(round(max_actuator_temp::numeric, 2), 0)::float8, coalesce(warning_count, 0),
           coalesce(round(avg_connection_quality::numeric, 2), 0)::float8,
           coalesce(round(avg_myo_amplitude::numeric, 2), 0)::float8,
           extract(epoch FROM date_trunc('second', updated_at))::bigint
    FROM telemetry.hourly_stats
    WHERE hour_start >= %s AND hour_start <= %s
"""


def source_for(admin_url: str, schema: str, database: str) -> PostgresSource:
    url = admin_url.replace("/crm_db?", f"/{database}?")
    assert urlsplit(url).path == f"/{database}"
    return PostgresSource(f"{schema}_db", url, f"BIONICPRO_{schema.upper()}_DB_URL")


def execute(url: str, statement: str, parameters: Any = None, *, autocommit: bool = False) -> list[tuple[Any, ...]]:
    """Run SQL and return its rows, if it has any."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = autocommit
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            rows = cursor.fetchall() if cursor.description else []
        if not autocommit:
            connection.commit()
        return rows


@contextmanager
def reader_of(admin: str, granted: Mapping[PostgresSource, str]) -> Iterator[str]:
    """A login that may read one view in each database, as `schema.view`.

    Roles belong to the server, which tests share: this one has a name of its own, and is gone afterwards.
    """
    name = f"reader_{uuid4().hex[:12]}"
    execute(admin, f"CREATE ROLE {name} LOGIN", autocommit=True)
    try:
        for source, view in granted.items():
            schema = view.partition(".")[0]
            execute(source.url, f"GRANT USAGE ON SCHEMA {schema} TO {name}; GRANT SELECT ON {view} TO {name}")
        yield name
    finally:
        for source in granted:
            execute(source.url, f"DROP OWNED BY {name}")
        execute(admin, f"DROP ROLE {name}", autocommit=True)


def as_user(source: PostgresSource, user: str) -> PostgresSource:
    """The same database as somebody else."""
    assert "postgres:@" in source.url
    return replace(source, url=source.url.replace("postgres:@", f"{user}@"))


@dataclass(frozen=True)
class Sources:
    crm: PostgresSource
    telemetry: PostgresSource
    admin: str

    def in_crm(self, statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        return execute(self.crm.url, statement, parameters)

    def in_telemetry(self, statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        return execute(self.telemetry.url, statement, parameters)

    def add_wearer(self, chip: str | None, user: str, *, middle_name: str | None = "Петровна", branch: str | None = "Казань",
                   status: str = "active", category: str = "hand") -> int:  # fmt: skip
        """A customer with one prosthesis; the prosthesis' number."""
        self.in_crm(
            "INSERT INTO crm.customers (external_id, first_name, last_name, middle_name, email, region, branch) "
            "VALUES (%s, 'Анна', 'Иванова', %s, %s, 'russia', %s) ON CONFLICT DO NOTHING",
            (user, middle_name, f"{user}@example.org", branch),
        )
        self.in_crm(
            "INSERT INTO crm.prosthesis_models (model_code, model_name, category) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            (f"M-{category}", f"Model {category}", category),
        )
        rows = self.in_crm(
            "INSERT INTO crm.prostheses (serial_number, model_id, customer_id, chip_id, status) SELECT %s, model_id, "
            "customer_id, %s, %s FROM crm.customers, crm.prosthesis_models WHERE external_id = %s AND model_code = %s "
            "RETURNING prosthesis_id",
            (f"BP-{md5((user + str(chip)).encode()).hexdigest()[:12]}", chip, status, user, f"M-{category}"),
        )
        return int(rows[0][0])

    def add_hour(self, chip: str, hour: datetime, **columns: Any) -> None:
        """A rolled-up hour, or other numbers for one that is there."""
        values = {
            "movements_count": 100, "successful_movements": 90, "avg_response_time": 121.237, "min_response_time": 80,
            "max_response_time": 240, "avg_battery_level": 77.114, "min_battery_level": 70, "max_battery_level": 84,
            "avg_actuator_temp": 33.333, "max_actuator_temp": 36.6, "error_count": 3, "warning_count": 5,
            "avg_myo_amplitude": 55.555, "avg_connection_quality": 97.25,
        } | columns  # fmt: skip
        if "successful_movements" not in columns and values["movements_count"] is not None:
            values["successful_movements"] = min(90, values["movements_count"])
        names = ", ".join(values)
        self.in_telemetry(
            f"INSERT INTO telemetry.hourly_stats (chip_id, hour_start, {names}) "
            f"VALUES (%s, %s, {', '.join(['%s'] * len(values))}) ON CONFLICT (chip_id, hour_start) DO UPDATE SET "
            + ", ".join(f"{n} = excluded.{n}" for n in values)
            + ", updated_at = clock_timestamp()",
            (chip, hour, *values.values()),
        )

    def owners(self) -> dict[str, tuple[str, int]]:
        """User and prosthesis of every chip, by the CRM of now."""
        return {row[0]: (row[1], row[2]) for row in self.in_crm(OWNERS)}

    def wearers(self, owners: Mapping[str, tuple[str, int]]) -> dict[str, tuple[Any, ...]]:
        """What the CRM of now says of the users and prostheses that these chips had at another time."""
        people = {row[0]: row[1:] for row in self.in_crm(PEOPLE)}
        units = {row[0]: row[1:] for row in self.in_crm(UNITS)}
        found = {}
        for chip, (user, prosthesis) in owners.items():
            (name, email, region, branch), (model, category, serial) = people[user], units[prosthesis]
            found[chip] = (user, prosthesis, name, model, email, region, branch, category, serial)
        return found

    def expected_mart(
        self, first: datetime, last: datetime, zone: str = "UTC", owners: Mapping[str, tuple[str, int]] | None = None
    ) -> list[tuple[Any, ...]]:
        """What the mart must hold for the hours first … last: COMPARED, sorted, reals as the nearest Float32.

        Chips belong to whom the CRM names now, or to `owners`.
        """
        wearers = self.wearers(self.owners() if owners is None else owners)
        rows = []
        for chip, seconds, *n in self.in_telemetry(HOURS, (first, last)):
            if chip not in wearers:
                continue
            user, prosthesis, name, model, email, region, branch, category, serial = wearers[chip]
            local = datetime.fromtimestamp(seconds, ZoneInfo(zone))
            when = [local.date(), local.hour]
            contact = [email, region, branch, category, serial]
            changed = datetime.fromtimestamp(n[15], UTC)
            rows.append((user, prosthesis, chip, *when, name, model, *n[:5], *contact, *n[5:15], changed))
        return sorted(tuple(as_float32(v) for v in row) for row in rows)


def as_float32(value: Any) -> Any:
    return struct.unpack("f", struct.pack("f", value))[0] if isinstance(value, float) else value
