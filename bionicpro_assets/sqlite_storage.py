"""Dagster's storage in SQLite, for one machine: connections are kept, and an event is one transaction.

Dagster's own SQLite storage makes a database engine and a connection for every access, some hundreds in a run, and
compiles every statement anew for it; it keeps events in a file for each run and, those of assets and checks, once more
in a file for all; and it commits up to three times an event. That took more processor time than the rest of Dagster's
share of a refresh together (`python -m bench.events`).

The tables are Dagster's, and so are the queries. unit/test_sqlite_storage.py holds what this records against what
Dagster's own storage records, event by event.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dagster import EventLogEntry
from dagster._config import StringSource
from dagster._core.event_api import EventHandlerFn
from dagster._core.storage.event_log import SqlEventLogStorageMetadata, SqlEventLogStorageTable, sqlite
from dagster._core.storage.event_log.polling_event_watcher import SqlPollingEventWatcher
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.schedules import SqliteScheduleStorage
from dagster._core.storage.sql import (
    AlembicVersion,
    check_alembic_revision,
    get_alembic_config,
    run_alembic_upgrade,
    stamp_alembic_rev,
)
from dagster._serdes import ConfigurableClass, ConfigurableClassData

from bionicpro_assets.event_log import BatchedEventLogStorage
from bionicpro_assets.locks import held

# Appended to dagster.yaml, which can't name its own folder.
CONFIG = """
run_storage: &storage
  # Dagster's own tables in SQLite, with connections that are kept.
  module: bionicpro_assets.sqlite_storage
  class: RunStorage
  config:
    base_dir: {folder}
event_log_storage:
  <<: *storage
  class: EventLogStorage
schedule_storage:
  <<: *storage
  class: ScheduleStorage
"""
# How long a writer waits for the others; a transaction takes milliseconds, that of a long backfill's events a second.
BUSY_SECONDS = 60.0


def configuration(home: Path) -> str:
    """The part of dagster.yaml that names these storages, for an instance in the folder `home`."""
    return CONFIG.format(folder=home / "storage")


class File:
    """An SQLite file, with connections that are kept.

    Args:
        url: SQLAlchemy's URL of it.
    """

    def __init__(self, url: str) -> None:
        # More threads than the pool keeps connections for get one that is closed again.
        self.engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS}, max_overflow=-1)
        self._of_thread = threading.local()

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """A transaction; whatever the same thread does here until it ends is part of it."""
        outer: sa.Connection | None = getattr(self._of_thread, "connection", None)
        if outer is not None:
            yield outer
            return
        with self.engine.begin() as connection:
            self._of_thread.connection = connection
            try:
                yield connection
            finally:
                self._of_thread.connection = None


class _KeptConnections:
    """What makes Dagster's storage of runs, and of schedules, keep its connections."""

    def __init__(self, conn_string: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(conn_string, inst_data)  # type: ignore[call-arg]
        self._file = File(conn_string)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Any:
        """As Dagster makes it, of its configuration."""
        return cls.from_local(inst_data=inst_data, **config_value)  # type: ignore[attr-defined]

    def connect(self) -> Any:
        """A transaction."""
        return self._file.transaction()

    def dispose(self) -> None:
        """Close the connections."""
        self._file.engine.dispose()


class RunStorage(_KeptConnections, SqliteRunStorage):
    """Dagster's runs in SQLite."""


class ScheduleStorage(_KeptConnections, SqliteScheduleStorage):
    """Dagster's schedules and sensors in SQLite."""


class EventLogStorage(BatchedEventLogStorage, ConfigurableClass):
    """Dagster's event log in one SQLite file for all runs.

    Args:
        base_dir: The folder of the file.
        inst_data: What Dagster made it of.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._inst_data = inst_data
        path = Path(base_dir) / "events.db"
        self._file = File(f"sqlite:///{path.absolute()}")
        self._tables: set[str] = set()
        self._watcher = SqlPollingEventWatcher(self)
        super().__init__()  # type: ignore[no-untyped-call]
        # Several processes begin at once; one of them makes the tables.
        with held(path.with_suffix(".lock")):
            if not self.has_table(SqlEventLogStorageTable.name):
                self._make_tables()

    def _make_tables(self) -> None:
        with self._file.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        with self._file.transaction() as connection:
            # Python's sqlite3 begins a transaction by itself only before rows are written, not tables.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            SqlEventLogStorageMetadata.create_all(connection)
            stamp_alembic_rev(_migrations(), connection)
            self.reindex_events()
            self.reindex_assets()

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """What Dagster made it of."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> Any:
        """As Dagster's own."""
        return {"base_dir": StringSource}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "EventLogStorage":
        """As Dagster makes it, of its configuration."""
        return cls(inst_data=inst_data, **config_value)

    def run_connection(self, run_id: str | None) -> AbstractContextManager[sa.Connection]:
        """A transaction; of all runs the same."""
        return self._file.transaction()

    def index_connection(self) -> AbstractContextManager[sa.Connection]:
        """A transaction."""
        return self._file.transaction()

    def store_event(self, event: EventLogEntry) -> None:
        """Write one event, and what follows from it, or nothing of it."""
        with self._file.transaction():
            super().store_event(event)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Write several events, and what follows from them, or nothing of it."""
        with self._file.transaction():
            super().store_event_batch(events)

    def has_table(self, table_name: str) -> bool:
        """Whether there is such a table."""
        if table_name not in self._tables:
            with self._file.transaction() as connection:
                self._tables.update(sa.inspect(connection).get_table_names())
        return table_name in self._tables

    def watch(self, run_id: str, cursor: str | None, callback: EventHandlerFn) -> None:
        """Call back for every new event of a run."""
        self._watcher.watch_run(run_id, cursor, callback)

    def end_watch(self, run_id: str, handler: EventHandlerFn) -> None:
        """Call back no more."""
        self._watcher.unwatch_run(run_id, handler)

    def upgrade(self) -> None:
        """Bring the tables to this version of Dagster's."""
        with self._file.transaction() as connection:
            run_alembic_upgrade(_migrations(), connection)

    def alembic_version(self) -> AlembicVersion:
        """The version of the tables, and this version of Dagster's."""
        with self._file.transaction() as connection:
            return check_alembic_revision(_migrations(), connection)

    def dispose(self) -> None:
        """End watching, and close the connections."""
        self._watcher.close()
        self._file.engine.dispose()


def _migrations() -> Any:
    """Dagster's migrations of an event log in SQLite."""
    return get_alembic_config(sqlite.__file__)
