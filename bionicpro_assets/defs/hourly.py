"""What all hourly assets have in common, and the hours a run is asked for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from bionicpro_assets.defs.keys import POOL
from bionicpro_assets.errors import DataError, PlatformError
from bionicpro_assets.hours import PARTITION_KEY_FORMAT, contiguous, floor_hour, parse_hour, partition_key

# A backfill of a year is 53 runs: each small enough to be repeated, large enough that starting it costs little.
HOURS_PER_BACKFILL_RUN = 168


def hourly_partitions(start: datetime) -> dg.HourlyPartitionsDefinition:
    """UTC hours from `start` to the open hour, which is a partition too."""
    # Dagster reads start_date in the key format only, not as ISO 8601.
    return dg.HourlyPartitionsDefinition(
        start_date=partition_key(start), end_offset=1, timezone="UTC", fmt=PARTITION_KEY_FORMAT
    )


def hourly_asset(
    partitions: dg.HourlyPartitionsDefinition, **options: Any
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """`@dg.asset` with what every hourly asset shares: partitions, chunks of a backfill, retries, pool."""
    decorator: Callable[[Callable[..., Any]], dg.AssetsDefinition] = dg.asset(
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.multi_run(HOURS_PER_BACKFILL_RUN),
        retry_policy=dg.RetryPolicy(max_retries=3, delay=120),
        pool=POOL,
        **options,
    )
    return decorator


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
