"""The quarantine: telemetry that can't be in the reports, kept with the reason and with when it was first set aside."""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from bionicpro_assets.hours import HOUR
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.table import HourlyTable

QUARANTINE = "quarantine.rejected_telemetry"
KEY = ["hour_start", "chip_id"]


def with_first_rejected(
    clickhouse: ClickHouse, rejected: pl.DataFrame, hours: Sequence[datetime], *, now: datetime
) -> pl.DataFrame:
    """The rows with `first_rejected_at`: what the quarantine has for the same chip and hour, or `now`.

    Raises:
        ClickHouseError: ClickHouse can't be read.
    """
    table = HourlyTable.of(clickhouse, QUARANTINE)
    current = table.current(clickhouse, min(hours), max(hours) + HOUR)
    before = {hour: c.number for hour, c in current.items() if hour in hours and c.row_count}
    rejected = rejected.with_columns(pl.col("no_wearer").cast(pl.UInt8))
    stamp = pl.lit(now).cast(pl.Datetime("us", "UTC"))
    if not before:
        return rejected.with_columns(first_rejected_at=stamp)
    known = table.read(clickhouse, before).select(*KEY, "first_rejected_at")
    return rejected.join(known, on=KEY, how="left").with_columns(pl.col("first_rejected_at").fill_null(stamp))
