"""What all daily assets have in common, and the days a run is asked for."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from bionicpro_assets.days import DAY, DAY_KEY_FORMAT, day_begins, day_key, day_range, local_day, parse_day
from bionicpro_assets.defs.hourly import AssetDecorator
from bionicpro_assets.errors import DataError
from bionicpro_assets.runs import PARTITION_TAG, RANGE_END_TAG, RANGE_START_TAG

DAYS_PER_BACKFILL_RUN = 31


@dataclass(frozen=True)
class Daily:
    """What all daily assets share. A partition is a day of the report time zone `zone`, from `start` on.

    Dagster must be told UTC: it refuses to relate hours of one zone to days of another (1.13.27). So a partition's key
    is the local date, which hours are in it is `days.hours_of_day`, and the lineage in the UI names the UTC days that
    the local one touches: of a zone that isn't UTC, up to a day more than is read, never less.
    """

    start: datetime
    zone: str
    retry_policy: dg.RetryPolicy | None = None

    @cached_property
    def partitions(self) -> dg.DailyPartitionsDefinition:
        """Days from that of the first hour to the one that still goes on."""
        return dg.DailyPartitionsDefinition(
            start_date=day_key(local_day(self.start, self.zone)), end_offset=1, timezone="UTC", fmt=DAY_KEY_FORMAT
        )

    @property
    def mapping(self) -> dg.TimeWindowPartitionMapping:
        """The UTC hours that a local day touches, by whole UTC days."""
        east, west = _sides(self.zone)
        return days_before_and_after(int(east), int(west))

    def asset(self, **options: Any) -> AssetDecorator:
        """`@dg.asset` for a daily asset; a backfill is a run a month."""
        decorator: AssetDecorator = dg.asset(
            partitions_def=self.partitions,
            backfill_policy=dg.BackfillPolicy.multi_run(DAYS_PER_BACKFILL_RUN),
            retry_policy=self.retry_policy,
            group_name="reports",
            owners=["team:reports"],
            **options,
        )
        return decorator


def days_before_and_after(before: int, after: int = 0) -> dg.TimeWindowPartitionMapping:
    """A day is made of itself and of so many days before and after it, as far as there are partitions for them."""
    with warnings.catch_warnings():
        # It says that this option is beta, with the caller's name, and so on every start of every command.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.TimeWindowPartitionMapping(
            start_offset=-before, end_offset=after, allow_nonexistent_upstream_partitions=True
        )


def days_of(context: dg.AssetExecutionContext, zone: str) -> list[date]:
    """The days this run is asked for.

    Raises:
        DataError: There are none, or some that haven't begun.
    """
    named = context.partition_keys if context.has_partition_key or context.has_partition_key_range else []
    days = [parse_day(key) for key in named]
    if not days:
        raise DataError("No days to work on: name a partition or a range of them.")
    if day_begins(days[-1], zone) > datetime.now(UTC):
        raise DataError(f"The day {days[-1]} hasn't begun in {zone}; there is nothing to tell of it.")
    return days


def days_of_run(tags: Mapping[str, str], zone: str) -> Sequence[date]:
    """The days that a run of checks is about: of its range or its partition; yesterday, if it names none."""
    partition = tags.get(PARTITION_TAG, "")
    first, last = tags.get(RANGE_START_TAG, partition), tags.get(RANGE_END_TAG, partition)
    if first and last:
        return day_range(parse_day(first), parse_day(last))
    return [local_day(datetime.now(UTC), zone) - DAY]


def _sides(zone: str) -> tuple[bool, bool]:
    """Whether clocks of the zone are ever before, and ever behind UTC's."""
    offsets = [
        offset.total_seconds()
        for year in range(2020, 2036)
        for month in (1, 7)
        if (offset := datetime(year, month, 1, tzinfo=ZoneInfo(zone)).utcoffset()) is not None
    ]
    return max(offsets) > 0, min(offsets) < 0
