"""An hourly asset of one's own, made of the mart."""

import dagster as dg
import polars as pl

from bionicpro_assets.defs import keys
from bionicpro_assets.defs.hourly import Hourly
from bionicpro_assets.frames import HourlyFrame


def model_hours(hourly: Hourly) -> dg.AssetsDefinition:
    """What the prostheses of each model did in every hour."""

    @hourly.asset(
        key=dg.AssetKey(["reports", "model_hours"]),
        metadata={},
        io_manager_key=keys.CLICKHOUSE_IO_MANAGER,
        ins={
            "mart": dg.AssetIn(key=keys.MART, metadata={"columns": ["prosthesis_model", "movements_count"]}),
        },
    )
    def of_model(mart: HourlyFrame) -> HourlyFrame:
        """What the prostheses of each model did in every hour: one row per model and hour."""
        by_model = mart.rows.group_by("hour_start", "prosthesis_model").agg(
            pl.len().alias("prostheses"), pl.col("movements_count").cast(pl.UInt64).sum()
        )
        return HourlyFrame(by_model, mart.read_at)

    return of_model
