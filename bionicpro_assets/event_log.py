"""What Dagster's event log writes, and how, on any database: less of each event, and the events of a batch at once.

A run over many hours writes two events for every asset and hour: that it is planned, and that it is there. Where
`DAGSTER_EVENT_BATCH_SIZE` is set, Dagster hands such events over in batches, and its own storages write most of them
one by one nevertheless. The storages themselves are in `sqlite_storage.py` and `postgres_storage.py`.
"""

import os
from collections.abc import Sequence

from dagster import EventLogEntry
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS
from dagster._core.storage.event_log import SqlEventLogStorage, SqlEventLogStorageTable

BATCH_SIZE_VARIABLE = "DAGSTER_EVENT_BATCH_SIZE"
BATCH_SIZE = 1000
OF_ASSETS_AND_CHECKS = ASSET_EVENTS | ASSET_CHECK_EVENTS


class BatchedEventLogStorage(SqlEventLogStorage):
    """What an event log needs to write the events of a batch as a batch, and each without what it says twice.

    Nothing of this is public in Dagster; unit/test_sqlite_storage.py and integration/test_postgres_storage.py hold it
    against Dagster's own storages, event by event.
    """

    def store_event(self, event: EventLogEntry) -> None:
        """Write one event."""
        super().store_event(once(event))

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Write events of one run that all concern assets or their checks."""
        kinds = {event.get_dagster_event().event_type for event in events}
        if not kinds <= OF_ASSETS_AND_CHECKS:
            super().store_event_batch(events)
            return
        events = [once(event) for event in events]
        with self.index_transaction() as connection:
            returning = SqlEventLogStorageTable.insert().returning(
                SqlEventLogStorageTable.c.id, sort_by_parameter_order=True
            )
            rows = [self._event_to_row(event) for event in events]
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


def once(event: EventLogEntry) -> EventLogEntry:
    """The event without what it says a second time: a third of the bytes of most.

    Of the two messages Dagster shows that of the structured event, if it has one; the tags for loggers repeat the
    event's own fields. An event of an asset or a check names its step, and has no use for its handles: planned ones
    have none either. Checks here have no partitions: a run evaluates each once, for all its hours. Dagster would note
    for every hour that it is planned all the same: notes that nothing ever takes back, each with all the hours in it.
    """
    said = event.dagster_event
    if said is None:
        return event
    about = said.event_specific_data
    if isinstance(about, AssetCheckEvaluationPlanned):
        about = AssetCheckEvaluationPlanned(asset_key=about.asset_key, check_name=about.check_name)
    said = said._replace(logging_tags={}, event_specific_data=about)
    if said.event_type in OF_ASSETS_AND_CHECKS:
        said = said._replace(step_handle=None, node_handle=None)
    return event._replace(dagster_event=said, user_message=event.user_message if said.message is None else "")


def batch_events() -> None:
    """Have Dagster hand events over in batches, in this process and those it starts."""
    os.environ.setdefault(BATCH_SIZE_VARIABLE, str(BATCH_SIZE))


def _is_of_asset(event: EventLogEntry) -> bool:
    return event.dagster_event_type in ASSET_EVENTS
