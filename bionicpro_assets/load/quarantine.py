"""The quarantine: telemetry that can't be in the reports, kept with the reason and with when it was first set aside."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import polars as pl

from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.table import Entry, HourlyTable

QUARANTINE = "quarantine.rejected_telemetry"
KEY = ["hour_start", "chip_id"]


def with_first_rejected(
    clickhouse: ClickHouse,
    rejected: pl.DataFrame,
    current: Mapping[datetime, Entry],
    hours: Sequence[datetime],
    *,
    now: datetime,
) -> pl.DataFrame:
    """The rows with `first_rejected_at`: what the quarantine has for the same chip and hour, or `now`.

    Args:
        clickhouse: Where the quarantine is.
        rejected: Rows that are set aside.
        current: What is visible of the quarantine.
        hours: The hours that the rows are of.
        now: The present instant.

    Raises:
        ClickHouseError: ClickHouse can't be read.
    """
    before = {hour: current[hour].number for hour in hours if hour in current and current[hour].row_count}
    rejected = rejected.with_columns(pl.col("no_wearer").cast(pl.UInt8))
    stamp = pl.lit(now).cast(pl.Datetime("us", "UTC"))
    if rejected.is_empty() or not before:
        return rejected.with_columns(first_rejected_at=stamp)
    known = HourlyTable.of(clickhouse, QUARANTINE).read(clickhouse, before, [*KEY, "first_rejected_at"])
    # A chip may have several rows in an hour: that is what they are set aside for.
    known = known.group_by(KEY).agg(pl.col("first_rejected_at").min())
    return rejected.join(known, on=KEY, how="left").with_columns(pl.col("first_rejected_at").fill_null(stamp))
