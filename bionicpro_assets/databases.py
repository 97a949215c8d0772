"""The three databases that the settings name."""

from typing import Any

from bionicpro_assets.extract.postgres import PostgresSource
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.settings import Settings


def crm_of(settings: Settings) -> PostgresSource:
    """The CRM database."""
    return PostgresSource("crm_db", settings.secret("BIONICPRO_CRM_DB_URL"), "BIONICPRO_CRM_DB_URL")


def telemetry_of(settings: Settings) -> PostgresSource:
    """The telemetry database."""
    return PostgresSource("telemetry_db", settings.secret("BIONICPRO_TELEMETRY_DB_URL"), "BIONICPRO_TELEMETRY_DB_URL")


def clickhouse_of(settings: Settings, **options: Any) -> ClickHouse:
    """ClickHouse; connects at first use. `options` are those of `ClickHouse`."""
    return ClickHouse(settings.secret("BIONICPRO_CLICKHOUSE_URL"), cluster=settings.clickhouse_cluster, **options)


def reader_of(settings: Settings, **options: Any) -> ClickHouse:
    """ClickHouse, on a connection that can only read. `options` are those of `ClickHouse`."""
    return clickhouse_of(settings, only_reads=True, **options)
