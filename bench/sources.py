"""Both source databases with the demo's generators, on a server that answers by socket and by TCP."""

import getpass
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg2

from bionicpro_assets.extract.postgres import PostgresSource
from bionicpro_assets.hours import HOUR, floor_hour, hour_range
from bionicpro_assets.setup.embedded import embedded_postgres
from bionicpro_assets.setup.postgres import apply_postgres_schema, call, run_scripts, transaction

SEED = 1
SETTINGS = {"crm_db": "BIONICPRO_CRM_DB_URL", "telemetry_db": "BIONICPRO_TELEMETRY_DB_URL"}


@dataclass(frozen=True, slots=True)
class Sources:
    """The two databases.

    Attributes:
        crm: By socket, as the embedded profile reads it.
        telemetry: By socket.
        host: Of the TCP address, for those who read by nothing else.
        port: Of the TCP address.
        postmaster: The server's process.
        user: Of the TCP address; it needs no password.
    """

    crm: PostgresSource
    telemetry: PostgresSource
    host: str
    port: int
    postmaster: int
    user: str = "postgres"

    def tcp_url(self, database: str) -> str:
        """`postgresql://…` over TCP."""
        return f"postgresql://{self.user}@{self.host}:{self.port}/{database}"


@contextmanager
def work_folder() -> Iterator[Path]:
    """A temporary folder that the user of a PostgreSQL server may enter, where this runs as root."""
    with tempfile.TemporaryDirectory(prefix="bionicpro-bench-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def databases(folder: Path) -> Iterator[Sources]:
    """The server, with both schemas of the data contract and the generators of the demo; empty tables."""
    from embedded_postgres._commands import pg_ctl

    # The package makes the folder and the databases; its own server listens on a socket only.
    data = folder / "postgres"
    with embedded_postgres(data):
        pass
    # It admits nobody by address.
    with (data / "pg_hba.conf").open("a") as rules:
        rules.write("host all all 127.0.0.1/32 trust\n")
    user = "embedded_postgres" if os.geteuid() == 0 else getpass.getuser()
    port = free_port()
    started = ["-w", "-o", f"-h 127.0.0.1 -p {port} -k {data}", "-l", str(data / "log"), "start"]
    pg_ctl(started, pgdata=data, user=user if os.geteuid() == 0 else None)
    try:
        urls = {n: f"postgresql:///{n}?host={data}&port={port}&user=postgres" for n in SETTINGS}
        crm, telemetry = (PostgresSource(name, urls[name], setting) for name, setting in SETTINGS.items())
        for source, schema in ((crm, "crm"), (telemetry, "telemetry")):
            apply_postgres_schema(source, schema)
            with transaction(source) as cursor:
                run_scripts(cursor, f"{schema}/demo")
        postmaster = int((data / "postmaster.pid").read_text().partition("\n")[0])
        yield Sources(crm, telemetry, "127.0.0.1", port, postmaster)
    finally:
        pg_ctl(["-w", "-m", "fast", "stop"], pgdata=data, user=user if os.geteuid() == 0 else None)


def fill(sources: Sources, prostheses: int, hours: list[datetime]) -> tuple[int, int]:
    """A fleet, and its rolled-up telemetry of some hours; customers and rows made. The same for the same arguments."""
    made = call(sources.crm, "SELECT demo.generate_crm(%s, %s)", (SEED, prostheses))
    rows = call(
        sources.telemetry,
        "SELECT demo.generate_hourly_stats(%s, %s, %s, %s)",
        (SEED, prostheses, hours[0], hours[-1] + HOUR),
    )
    settle(sources)
    return made, rows


def settle(sources: Sources) -> None:
    """Statistics and visibility as in a database that has been running for a while."""
    for source in (sources.crm, sources.telemetry):
        connection = psycopg2.connect(source.url)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
            cursor.execute("CHECKPOINT")
        connection.close()


def window(hours: int) -> list[datetime]:
    """The last so many hours, the open one included."""
    now = floor_hour(datetime.now(UTC))
    return hour_range(now - (hours - 1) * HOUR, now)


def ended(hours: int) -> list[datetime]:
    """The last so many hours that have ended; they go on being that, however long something with them takes."""
    last = floor_hour(datetime.now(UTC)) - HOUR
    return hour_range(last - (hours - 1) * HOUR, last)


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        port: int = made.getsockname()[1]
        return port
