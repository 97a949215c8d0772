"""Real databases for every test: PostgreSQL from a wheel, one server a worker, and ClickHouse's own engine.

Each test has fresh source databases, copied from templates, and an engine folder of its own.
"""

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest

from bionicpro_assets.extract.postgres import PostgresSource
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.setup.clickhouse import apply_clickhouse_schema
from bionicpro_assets.setup.embedded import embedded_postgres
from bionicpro_assets.setup.postgres import apply_postgres_schema
from bionicpro_assets_tests.folders import folder_for_postgres
from bionicpro_assets_tests.integration.platform import Platform
from bionicpro_assets_tests.integration.sources import Sources, execute, source_for

TEMPLATES: dict[Literal["crm", "telemetry"], str] = {"crm": "template_crm", "telemetry": "template_telemetry"}


@contextmanager
def running_postgres() -> Iterator[str]:
    """URL of an empty administrative database of a running server, with templates of both source databases."""
    with folder_for_postgres() as folder, embedded_postgres(folder / "data") as urls:
        admin = urls["crm_db"]
        # Test data needn't survive a power cut.
        for setting in ("fsync = off", "synchronous_commit = off", "full_page_writes = off"):
            execute(admin, f"ALTER SYSTEM SET {setting}", autocommit=True)
        execute(admin, "SELECT pg_reload_conf()")
        for schema, name in TEMPLATES.items():
            execute(admin, f"CREATE DATABASE {name}", autocommit=True)
            apply_postgres_schema(source_for(admin, schema, name), schema)
        yield admin


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """As `running_postgres`."""
    with running_postgres() as admin:
        yield admin


numbers = itertools.count(1)


@contextmanager
def fresh_sources(postgres_server: str) -> Iterator[Sources]:
    """Both source databases with this platform's schema, empty."""
    made = {}
    for schema, template in TEMPLATES.items():
        name = f"{schema}_{next(numbers)}"
        execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {template}", autocommit=True)
        made[schema] = source_for(postgres_server, schema, name)
    yield Sources(made["crm"], made["telemetry"], postgres_server)
    for source in made.values():
        drop(postgres_server, source)


@pytest.fixture
def sources(postgres_server) -> Iterator[Sources]:
    """Both source databases with this platform's schema, empty."""
    with fresh_sources(postgres_server) as made:
        yield made


@pytest.fixture
def deployed(postgres_server) -> Iterator[Sources]:
    """Both source databases as they stand in the field, with sessions in Moscow time; nothing of ours in them."""
    made = {}
    for schema in TEMPLATES:
        name = f"deployed_{schema}_{next(numbers)}"
        execute(postgres_server, f"CREATE DATABASE {name}", autocommit=True)
        execute(postgres_server, f"ALTER DATABASE {name} SET timezone = 'Europe/Moscow'", autocommit=True)
        made[schema] = source_for(postgres_server, schema, name)
        execute(made[schema].url, (Path(__file__).parent / "deployed" / f"{schema}.sql").read_text())
    yield Sources(made["crm"], made["telemetry"], postgres_server)
    for source in made.values():
        drop(postgres_server, source)


def drop(admin: str, source: PostgresSource) -> None:
    execute(admin, f"DROP DATABASE {urlsplit(source.url).path[1:]} WITH (FORCE)", autocommit=True)


@pytest.fixture(params=["UTC", "America/St_Johns"])
def any_time_zone(request, monkeypatch) -> Iterator[str]:
    """This process in different time zones; the embedded engine takes its own from the process."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def clickhouse(tmp_path: Path) -> Iterator[ClickHouse]:
    """The embedded engine with this platform's schema, empty."""
    with ClickHouse(f"chdb://{tmp_path}/clickhouse") as engine:
        apply_clickhouse_schema(engine)
        yield engine


def configure(environment: pytest.MonkeyPatch, sources: Sources, folder: Path) -> None:
    """Settings for the platform on these databases, with ClickHouse and its own home under the folder."""
    environment.setenv("BIONICPRO_CRM_DB_URL", sources.crm.url)
    environment.setenv("BIONICPRO_TELEMETRY_DB_URL", sources.telemetry.url)
    environment.setenv("BIONICPRO_CLICKHOUSE_URL", f"chdb://{folder}/clickhouse")
    environment.setenv("BIONICPRO_HOME", str(folder / "home"))


@pytest.fixture
def platform(sources: Sources, clickhouse: ClickHouse, tmp_path: Path, monkeypatch) -> Iterator[Platform]:
    """The whole platform on the test's databases, configured by the environment."""
    configure(monkeypatch, sources, tmp_path)
    with Platform.open(sources, clickhouse) as platform:
        yield platform


@pytest.fixture
def crm(sources: Sources) -> PostgresSource:
    return sources.crm


@pytest.fixture
def telemetry(sources: Sources) -> PostgresSource:
    return sources.telemetry
