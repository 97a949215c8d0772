"""The telemetry extract: the rolled-up hours that changed, as they were read."""

from collections.abc import Generator, Sequence
from datetime import datetime

import polars as pl

from bionicpro_assets.extract.changes import EMPTY, hour_states_between, rows_of_state
from bionicpro_assets.extract.contract import HOURLY_TELEMETRY
from bionicpro_assets.extract.postgres import PostgresSource
from bionicpro_assets.extract.telemetry import read_parts
from bionicpro_assets.frames import HourlyFrame, HourlyLoad, Part, Visible
from bionicpro_assets.hours import HOUR, contiguous, in_parts
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.table import HourlyTable
from bionicpro_assets.load.unchanged import unchanged_hours

TELEMETRY = "staging.hourly_telemetry"
# What the sensor of late hours compares with the source.
SOURCE_STATE = "source_state"


def telemetry_load(
    source: PostgresSource,
    clickhouse: ClickHouse,
    hours: Sequence[datetime],
    *,
    chunk_rows: int,
    afresh: bool = False,
) -> HourlyLoad:
    """The telemetry of contiguous hours, `chunk_rows` rows at a time, all of one read of the database.

    Of an hour whose state in the source is that of the visible rows, nothing else is read; unless it is to be read
    `afresh`, because the stored rows are doubted.

    Raises:
        SourceError: The database can't be read, or the view isn't what the data contract says. When the parts are read.
    """
    contiguous(hours)
    table = HourlyTable.of(clickhouse, TELEMETRY)

    def parts(visible: Visible) -> Generator[Part]:
        current = visible[TELEMETRY]
        with source.snapshot() as snapshot:
            HOURLY_TELEMETRY.check(snapshot)
            found = hour_states_between(snapshot, hours[0], hours[-1] + HOUR)
            states = {hour: found.get(hour, EMPTY) for hour in hours}
            read_at = dict.fromkeys(hours, snapshot.read_at)
            same = [] if afresh else unchanged_hours(clickhouse, visible, states, read_at)

            def frame(rows: pl.DataFrame, covered: Sequence[datetime]) -> Part:
                return {
                    TELEMETRY: HourlyFrame(
                        rows,
                        dict.fromkeys(covered, snapshot.read_at),
                        {hour: current[hour] for hour in covered if hour in same},
                        {hour: states[hour] for hour in covered},
                        {hour: {SOURCE_STATE: states[hour]} for hour in covered},
                    )
                }

            read = [hour for hour in hours if hour not in same and states[hour] != EMPTY]
            if rest := [hour for hour in hours if hour not in read]:
                # Of hours without rows there is nothing to read, as of those that are unchanged.
                yield frame(table.no_rows(), rest)
            groups = in_parts(read, {hour: rows_of_state(states[hour]) for hour in read}, chunk_rows)
            for group, rows in zip(groups, read_parts(snapshot, groups), strict=True):
                yield frame(rows, group)
                del rows

    return HourlyLoad([TELEMETRY], hours, parts, chunk_rows, [column.name for column in table.columns])
