"""Demo data: a small fleet, made in SQL, the same for the same seed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from dotenv import dotenv_values

from bionicpro_assets.extract.postgres import PostgresSource
from bionicpro_assets.folders import write_private, writing
from bionicpro_assets.hours import HOUR, floor_hour, partition_key
from bionicpro_assets.setup.embedded import embedded_postgres, embedded_settings
from bionicpro_assets.setup.postgres import apply_postgres_schema, call, run_scripts, transaction
from bionicpro_assets.sqlfiles import sql

FLEET_FILE, DEMO_ENV = "demo.json", "demo.env"
ENV_HEADER = "# Written by `bionicpro demo`: embedded databases with demo data. Replace it by settings of your own.\n"


@dataclass(frozen=True, slots=True)
class Fleet:
    """What demo data to make.

    Attributes:
        prostheses: Units in the CRM; most are fitted and send telemetry.
        hours: Closed hours of raw telemetry, before the open one.
        days: Days of history before them, of which only the hourly statistics are there.
        seed: The same seed makes the same customers, and the same rows for the same seconds.
    """

    prostheses: int = 30
    hours: int = 24
    seed: int = 1
    days: int = 28

    @classmethod
    def read(cls, home: Path) -> Self | None:
        """The fleet whose demo data is in `home`; None if there is none."""
        file = home / FLEET_FILE
        return cls(**json.loads(file.read_text(encoding="utf-8"))) if file.exists() else None

    def write(self, home: Path) -> None:
        """Remember this fleet in `home`, so that its telemetry can go on."""
        with writing(home / FLEET_FILE):
            write_private(home / FLEET_FILE, json.dumps(asdict(self)))


def make_crm(source: PostgresSource, fleet: Fleet) -> int:
    """Schema and demo rows of the CRM; prostheses added."""
    apply_postgres_schema(source, "crm")
    with transaction(source) as cursor:
        run_scripts(cursor, "crm/demo")
    added: int = call(source, "SELECT demo.generate_crm(%s, %s)", (fleet.seed, fleet.prostheses))
    return added


def is_refitted(source: PostgresSource) -> bool:
    """Whether the demo's chip was refitted already, or the fleet is too small for it."""
    return bool(call(source, "SELECT demo.is_refitted()"))


def refit(source: PostgresSource, moment: datetime) -> None:
    """Move a chip from one customer's prosthesis to another's, as of `moment`; only once."""
    call(source, "SELECT demo.refit(%s)", (moment,))


def make_telemetry(source: PostgresSource, fleet: Fleet, now: datetime) -> int:
    """Schema of the telemetry database, the fleet's history, and raw rows up to `now`; raw rows added.

    Goes on after the newest row that is there, so that it can be called again and again.
    """
    apply_postgres_schema(source, "telemetry")
    with transaction(source) as cursor:
        run_scripts(cursor, "telemetry/demo")
    if fleet.days and _generated_until(source) is None:
        until = floor_hour(now) - fleet.hours * HOUR
        since = until - timedelta(days=fleet.days)
        call(source, "SELECT demo.append_history(%s, %s, %s, %s)", (fleet.seed, fleet.prostheses, since, until))
    return append_telemetry(source, fleet, now)


def append_telemetry(source: PostgresSource, fleet: Fleet, now: datetime) -> int:
    """Raw rows from the newest one that is there up to `now`; rows added."""
    since = _generated_until(source) or floor_hour(now) - fleet.hours * HOUR
    if since >= now:
        return 0
    until = now.replace(microsecond=0)
    added: int = call(
        source,
        "SELECT demo.append_raw_telemetry(%s, %s, %s, %s)",
        (fleet.seed, fleet.prostheses, since, until),
    )
    return added


def _generated_until(source: PostgresSource) -> datetime | None:
    until: datetime | None = call(source, sql("telemetry/queries/demo_generated_until.sql"))
    return until


@contextmanager
def demo_databases(home: Path, fleet: Fleet) -> Iterator[dict[str, str]]:
    """The embedded databases filled with demo data; the settings that use them, by name."""
    home = home.resolve()
    with embedded_postgres(home / "postgres") as urls:
        now = datetime.now(UTC)
        fleet.write(home)
        make_crm(PostgresSource("crm_db", urls["crm_db"], "BIONICPRO_CRM_DB_URL"), fleet)
        telemetry = PostgresSource("telemetry_db", urls["telemetry_db"], "BIONICPRO_TELEMETRY_DB_URL")
        make_telemetry(telemetry, fleet, now)
        first = call(telemetry, sql("telemetry/queries/demo_begins.sql")) or now
        settings = embedded_settings(home, urls)
        settings["BIONICPRO_PARTITIONS_START"] = partition_key(floor_hour(first))
        yield settings


def write_env_file(settings: dict[str, str], home: Path) -> Path:
    """Write the settings to `demo.env` in `home`, and to `.env` here, unless that is somebody's own.

    Returns:
        The file that the commands need: `.env`, which they read by themselves, or the other.

    Raises:
        PlatformError: The file can't be written.
    """
    text = ENV_HEADER + "".join(f"{name}='{value}'\n" for name, value in settings.items())
    own, here = home / DEMO_ENV, Path(".env")
    with writing(here.resolve()):
        # Somebody's own may be in any encoding.
        is_ours = not here.exists() or here.read_bytes().startswith(ENV_HEADER.encode())
    for target in (own, here) if is_ours else (own,):
        with writing(target.absolute()):
            write_private(target, text)
    return (here if is_ours else own).resolve()


def demo_in_use() -> Path | None:
    """The folder of the demo that `.env` here is for; None if there is none."""
    file = Path(".env")
    if not file.exists() or not file.read_bytes().startswith(ENV_HEADER.encode()):
        return None
    return Path(dotenv_values(file).get("BIONICPRO_HOME") or "")
