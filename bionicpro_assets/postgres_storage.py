"""Dagster's storage in PostgreSQL, with the events of a batch in one transaction and connections that are tried.

Set in `docker/dagster.yaml` as the storage of the whole instance. Its tables and its configuration are those of
Dagster's own (`storage: postgres`), so that either works on what the other wrote.
"""

import logging
from collections.abc import Mapping
from typing import Any

from dagster._serdes import ConfigurableClassData
from dagster_postgres.event_log import PostgresEventLogStorage
from dagster_postgres.run_storage import PostgresRunStorage
from dagster_postgres.schedule_storage import PostgresScheduleStorage
from dagster_postgres.storage import DagsterPostgresStorage
from dagster_postgres.utils import get_token_provider_from_config, pg_url_from_config
from sqlalchemy import Engine, event, exc

from bionicpro_assets.event_log import BatchedEventLogStorage


class _TriedConnections:
    """A storage whose web server tries a connection that it had kept before it uses it.

    Dagster's web server keeps connections open. After the database was restarted they are gone, and the first click
    in the UI, or the first launch, would be the one to find that out.
    """

    _engine: Engine

    def optimize_for_webserver(self, statement_timeout: int, pool_recycle: int, max_overflow: int) -> None:
        """As Dagster's own, and every connection is tried when it is taken from the pool."""
        super().optimize_for_webserver(statement_timeout, pool_recycle, max_overflow)  # type: ignore[misc]
        event.listen(self._engine, "checkout", _try)


class BatchedPostgresEventLogStorage(_TriedConnections, BatchedEventLogStorage, PostgresEventLogStorage):
    """Dagster's event log in PostgreSQL, which writes the events of a batch as a batch."""


class _RunStorage(_TriedConnections, PostgresRunStorage):
    """Dagster's runs in PostgreSQL."""


class _ScheduleStorage(_TriedConnections, PostgresScheduleStorage):
    """Dagster's schedules in PostgreSQL."""


class BatchedPostgresStorage(DagsterPostgresStorage):
    """All that Dagster keeps, in PostgreSQL.

    Args:
        postgres_url: Where, with the driver's name in the scheme.
        should_autocreate_tables: Whether missing tables are made.
        inst_data: What Dagster made it of.
        token_provider: Dagster's way to log in without a password.
    """

    def __init__(
        self,
        postgres_url: str,
        should_autocreate_tables: bool = True,
        inst_data: ConfigurableClassData | None = None,
        token_provider: Any = None,
    ) -> None:
        # Dagster's own makes three storages of its own kind, which connect to nothing yet; these take their places.
        super().__init__(postgres_url, False, inst_data, token_provider)
        self.should_autocreate_tables = should_autocreate_tables
        arguments = (postgres_url, should_autocreate_tables, None, token_provider)
        self._run_storage = _RunStorage(*arguments)
        self._event_log_storage = BatchedPostgresEventLogStorage(*arguments)
        self._schedule_storage = _ScheduleStorage(*arguments)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "BatchedPostgresStorage":
        """As Dagster makes it, of its configuration."""
        _write_other_loggers_once()
        return cls(
            pg_url_from_config(config_value),
            config_value.get("should_autocreate_tables", True),
            inst_data,
            get_token_provider_from_config(config_value),
        )


def _try(connection: Any, *_: object) -> None:
    """Have the pool open another connection where this one is no connection any more."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except connection.Error as error:
        raise exc.DisconnectionError from error


def _write_other_loggers_once() -> None:
    """Give the root logger a handler for what no other handler writes.

    When a connection fails, dagster-postgres calls `logging.warning`, which gives a root logger without a handler one
    that writes everything: from then on every line of the daemon's would come twice.
    """
    root = logging.getLogger()
    if root.handlers:
        return
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter("%(asctime)s - %(name)s - %(levelname)s - %(message)s"))
    handler.addFilter(lambda record: not _is_written(logging.getLogger(record.name)))
    root.addHandler(handler)


def _is_written(logger: logging.Logger) -> bool:
    """Whether the logger, or one above it other than the root, has a handler of its own."""
    at: logging.Logger | None = logger
    while at is not None and at.name != "root":
        if at.handlers:
            return True
        at = at.parent
    return False
