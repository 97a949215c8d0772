"""Which hours needn't be read again: those whose source says by a look at its state that nothing has changed."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from bionicpro_assets.hours import HOUR
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.table import Entry, HourlyTable

# What a state can't tell (a model that was renamed, a trigger that is missing) is found by comparing values: once an
# hour, and at any rate once after the hour has ended. A little less than an hour, or the tick after an hour would be
# early by moments, and the next one late.
COMPARED_EVERY = timedelta(minutes=50)


def is_unchanged(entry: Entry, hour: datetime, made_of: str, read_at: datetime) -> bool:
    """Whether the rows of an hour are what they would be made of now, without a look at them.

    Args:
        entry: What is visible of the hour.
        hour: The hour.
        made_of: What its rows would be made of now.
        read_at: When the source was asked for that, by its clock.
    """
    since_compared = read_at - entry.compared_at
    return (
        bool(made_of)
        and entry.made_of == made_of
        and timedelta(0) <= since_compared < COMPARED_EVERY
        # A read that is loaded already is loaded again by somebody who wants to have it looked at.
        and entry.source_read_at < read_at
        and (read_at < hour + HOUR or entry.compared_at >= hour + HOUR)
    )


def unchanged_hours(
    clickhouse: ClickHouse,
    current: Mapping[str, Mapping[datetime, Entry]],
    made_of: Mapping[datetime, str],
    read_at: Mapping[datetime, datetime],
) -> list[datetime]:
    """The hours that are unchanged in all of the tables, and of which all rows that were published are stored.

    Args:
        clickhouse: Where.
        current: What is visible of each table, by its public name.
        made_of: What the rows of each hour would be made of now.
        read_at: When the source was asked for that.
    """
    hours = [
        hour
        for hour in made_of
        if all(
            hour in current[name] and is_unchanged(current[name][hour], hour, made_of[hour], read_at[hour])
            for name in current
        )
    ]
    for name in current:
        numbers = {hour: current[name][hour].number for hour in hours}
        if numbers:
            stored = HourlyTable.of(clickhouse, name).stored_counts(clickhouse, numbers)
            hours = [hour for hour in hours if stored[hour] == current[name][hour].row_count]
    return hours
