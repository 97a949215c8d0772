"""What all hourly assets have in common, and the hours a run is asked for."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import dagster as dg

from bionicpro_assets.defs.keys import POOL
from bionicpro_assets.defs.metadata import table_metadata
from bionicpro_assets.errors import DataError, PlatformError
from bionicpro_assets.hours import PARTITION_KEY_FORMAT, contiguous, floor_hour, parse_hour, partition_key

AssetDecorator = Callable[[Callable[..., Any]], dg.AssetsDefinition]


@dataclass(frozen=True)
class Hourly:
    """What all hourly assets share: partitions, chunks of a backfill, retries, pool.

    Attributes:
        start: The first partition. Partitions are UTC hours, and the open hour is one too.
        retries: Whether a step that fails, and may go well later, is tried again: 3 times, 2 minutes apart.
        fresh_for: How long after a load the extracts and the mart count as fresh.
        hours_per_run: How many hours one run of a backfill is for: few enough to be repeated, and so many that starting
            the run costs little.
    """

    start: datetime
    retries: bool = True
    fresh_for: timedelta = timedelta(minutes=40)
    hours_per_run: int = 720

    @property
    def freshness(self) -> dg.FreshnessPolicy:
        """A warning when nothing was loaded for `fresh_for`, a failure after twice as long.

        It is of the asset, not of its newest hour: a backfill of an old month makes it fresh, too.
        """
        return dg.FreshnessPolicy.time_window(warn_window=self.fresh_for, fail_window=2 * self.fresh_for)

    @cached_property
    def partitions(self) -> dg.HourlyPartitionsDefinition:
        """UTC hours from `start` to the open hour."""
        # Dagster reads start_date in the key format only, not as ISO 8601.
        return dg.HourlyPartitionsDefinition(
            start_date=partition_key(self.start), end_offset=1, timezone="UTC", fmt=PARTITION_KEY_FORMAT
        )

    def asset(self, *, metadata: Mapping[str, Any], **options: Any) -> AssetDecorator:
        """`@dg.asset` for an hourly asset."""
        decorator: AssetDecorator = dg.asset(
            metadata=table_metadata(options["key"]) | dict(metadata), **self._shared, **options
        )
        return decorator

    def multi_asset(self, **options: Any) -> AssetDecorator:
        """`@dg.multi_asset` for hourly assets that come from one computation."""
        decorator: AssetDecorator = dg.multi_asset(**self._shared, **options)
        return decorator

    @property
    def retry_policy(self) -> dg.RetryPolicy | None:
        """How a step that fails, and may go well later, is tried again."""
        return dg.RetryPolicy(max_retries=3, delay=120) if self.retries else None

    @property
    def _shared(self) -> dict[str, Any]:
        return {
            "partitions_def": self.partitions,
            "backfill_policy": dg.BackfillPolicy.multi_run(self.hours_per_run),
            "retry_policy": self.retry_policy,
            "pool": POOL,
        }


def hours_of(context: dg.AssetExecutionContext) -> list[datetime]:
    """The hours this run is asked for.

    Dagster doesn't check the tags of a partition range: a range that ends after the open hour, or lies wholly
    in the future, would materialise partitions that don't exist.

    Raises:
        DataError: There are no hours, a gap between them, or hours that haven't begun.
    """
    keys = context.partition_keys if context.has_partition_key or context.has_partition_key_range else []
    hours = [parse_hour(key) for key in keys]
    contiguous(hours)
    if hours[-1] > floor_hour(datetime.now(UTC)):
        raise DataError(f"The hour {hours[-1]:%Y-%m-%d %H:%M} UTC hasn't begun; there is nothing to load.")
    return hours


@contextmanager
def clear_failure() -> Iterator[None]:
    """Turn an error of the platform into a Dagster failure: its sentence, and a retry only where one can help."""
    try:
        yield
    except PlatformError as error:
        raise dg.Failure(description=str(error), allow_retries=error.retryable) from None
