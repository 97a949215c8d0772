"""Resources: the two source databases and ClickHouse, by the names their Airflow connections have.

A resource holds the name of a setting, never its value: what Dagster shows of it can't leak a password.
"""

from functools import cached_property

import dagster as dg
from pydantic import Field

from bionicpro_assets.defs.keys import CLICKHOUSE, CRM_DB, TELEMETRY_DB
from bionicpro_assets.extract.postgres import PostgresSource
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.settings import Settings
from bionicpro_assets.setup.clickhouse import require_clickhouse_schema


class PostgresResource(dg.ConfigurableResource[PostgresSource]):
    """A source database. Reads are read-only snapshots."""

    database: str = Field(description="What the database is called in messages")
    setting: str = Field(description="Name of the setting that holds its postgresql:// URL")

    @property
    def source(self) -> PostgresSource:
        """The database, from the settings as they are now."""
        return PostgresSource(self.database, Settings.load().secret(self.setting), self.setting)


class ClickHouseResource(dg.ConfigurableResource[ClickHouse]):
    """The ClickHouse that holds the mart: a server, or the engine in the run's own process."""

    setting: str = Field(description="Name of the setting that holds its URL")

    @cached_property
    def clickhouse(self) -> ClickHouse:
        """The client, connected to tables that are this version's."""
        settings = Settings.load()
        clickhouse = ClickHouse(settings.secret(self.setting), cluster=settings.clickhouse_cluster)
        try:
            require_clickhouse_schema(clickhouse)
        except BaseException:
            clickhouse.close()
            raise
        return clickhouse

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Let go of the embedded engine's folder, so that the next process can have it."""
        # Only if it was ever used: asking for it here would connect.
        if clickhouse := vars(self).get("clickhouse"):
            clickhouse.close()


def source_resources() -> dict[str, PostgresResource]:
    """The source databases by resource key."""
    return {
        CRM_DB: PostgresResource(database="crm_db", setting="BIONICPRO_CRM_DB_URL"),
        TELEMETRY_DB: PostgresResource(database="telemetry_db", setting="BIONICPRO_TELEMETRY_DB_URL"),
    }


def clickhouse_resources() -> dict[str, ClickHouseResource]:
    """ClickHouse by resource key."""
    return {CLICKHOUSE: ClickHouseResource(setting="BIONICPRO_CLICKHOUSE_URL")}
