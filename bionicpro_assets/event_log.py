"""Dagster's event log, with the events of a batch in one transaction: what is so on any database, and SQLite's.

A run over many hours writes two events for every asset and hour: that it is planned, and that it is there. Dagster's
own storage commits four times for each, 37 ms an event where it was measured: a year of hours is 43 minutes of
bookkeeping then. Dagster hands such events over in batches where `DAGSTER_EVENT_BATCH_SIZE` is set, and its SQLite
storage writes them one by one nevertheless. This one takes them. PostgreSQL's is in `postgres_storage.py`.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dagster import EventLogEntry
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.event_log.sqlite import SqliteEventLogStorage
from dagster._serdes import ConfigurableClassData

BATCH_SIZE_VARIABLE = "DAGSTER_EVENT_BATCH_SIZE"
BATCH_SIZE = 1000

# Appended to dagster.yaml, which can't name its own folder. It is the folder that Dagster would take by itself, and the
# tables are the same: what was recorded before stays.
CONFIG = """
event_log_storage:
  # Dagster's own for SQLite, but events that come as a batch are written as one.
  module: bionicpro_assets.event_log
  class: BatchedSqliteEventLogStorage
  config:
    base_dir: {folder}
"""


class BatchedEventLogStorage(SqlEventLogStorage):
    """What an event log needs to write the events of a batch as a batch.

    Nothing of this is public in Dagster; unit/test_event_log.py and integration/test_postgres_storage.py hold it
    against Dagster's own storages, event by event.
    """

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Write events of one run that all concern assets or their checks."""
        kinds = {event.get_dagster_event().event_type for event in events}
        runs = {event.run_id for event in events}
        if not kinds <= {*ASSET_EVENTS, *ASSET_CHECK_EVENTS} or len(runs) > 1:
            super().store_event_batch(events)
            return
        rows = [self._event_to_row(event) for event in events]
        self._store_for_run(events[0].run_id, rows)
        with self.index_transaction() as connection:
            returning = SqlEventLogStorageTable.insert().returning(
                SqlEventLogStorageTable.c.id, sort_by_parameter_order=True
            )
            ids = [int(row[0]) for row in connection.execute(returning, rows)]
            about_assets = [(event, number) for event, number in zip(events, ids, strict=True) if _is_of_asset(event)]
            if about_assets:
                self._store_asset_event_tags(connection, *zip(*about_assets, strict=True))
            # What is kept of an asset beside its events is what the last of them says.
            last = {event.get_dagster_event().asset_key: (event, number) for event, number in about_assets}
            for event, number in last.values():
                self._store_asset_event(connection, event, number)
        for event, number in zip(events, ids, strict=True):
            if event.dagster_event_type in ASSET_CHECK_EVENTS:
                self.store_asset_check_event(event, number)

    def _store_for_run(self, run_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Where a run's events are kept a second time."""

    def _store_asset_check_evaluation_planned(self, event: EventLogEntry, event_id: int | None) -> None:
        # Checks here have no partitions: a run evaluates each once, for all its hours. Dagster would note for every
        # hour that it is planned all the same: notes that nothing ever takes back, each with all the hours in it.
        planned = event.get_dagster_event()
        about = planned.asset_check_planned_data
        once = AssetCheckEvaluationPlanned(asset_key=about.asset_key, check_name=about.check_name)
        about_all = event._replace(dagster_event=planned._replace(event_specific_data=once))
        super()._store_asset_check_evaluation_planned(about_all, event_id)


class BatchedSqliteEventLogStorage(BatchedEventLogStorage, SqliteEventLogStorage):
    """Dagster's event log in SQLite, which writes the events of a batch as a batch."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "BatchedSqliteEventLogStorage":
        """As Dagster makes it, of its configuration."""
        return cls(inst_data=inst_data, **config_value)

    def _store_for_run(self, run_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
        # SQLite has a file for each run, beside the one for all.
        with self.run_connection(run_id) as connection:
            connection.execute(SqlEventLogStorageTable.insert(), rows)


def batch_events() -> None:
    """Have Dagster hand events over in batches, in this process and those it starts."""
    os.environ.setdefault(BATCH_SIZE_VARIABLE, str(BATCH_SIZE))


def configuration(home: Path) -> str:
    """The part of dagster.yaml that names this storage, for an instance in the folder `home`."""
    return CONFIG.format(folder=home / "history" / "runs")


def _is_of_asset(event: EventLogEntry) -> bool:
    return event.dagster_event_type in ASSET_EVENTS
