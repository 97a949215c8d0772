"""The join: hourly telemetry with the customers who wear the prostheses, and what can't be joined. Pure polars."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from bionicpro_assets.errors import DataError
from bionicpro_assets.hours import describe
from bionicpro_assets.transform.ownership import ASSUMED, CONTESTED, ENDED, WORN
from bionicpro_assets.transform.validate import REASON, SOURCE_FAULT, invisible, with_reason

KEY = ["hour_start", "chip_id"]

# "A null in a numeric source column is 0 in the mart" (data contract).
NUMBERS = [
    "movements_count",
    "successful_movements",
    "success_rate",
    "avg_response_time",
    "min_response_time",
    "max_response_time",
    "avg_battery_level",
    "min_battery_level",
    "max_battery_level",
    "avg_actuator_temp",
    "max_actuator_temp",
    "error_count",
    "warning_count",
    "avg_connection_quality",
    "avg_myo_amplitude",
]
# Columns of the mart that come from the CRM, and the CRM's names for them. No text in the mart is null.
FROM_CRM = {
    "user_id": "user_id",
    "customer_name": "customer_full_name",
    "prosthesis_model": "prosthesis_model",
    "customer_email": "email",
    "customer_region": "region",
    "customer_branch": "branch",
    "prosthesis_category": "prosthesis_category",
    "prosthesis_serial": "prosthesis_serial",
}
# What the join reads of the CRM extract.
CRM_COLUMNS = [*KEY, "prosthesis_id", *FROM_CRM.values(), "ownership"]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


# Why telemetry has no wearer, by what the CRM extract says of the chip in that hour.
NO_WEARER = {
    ENDED: "the CRM has stopped naming a wearer of the chip",
    CONTESTED: "the CRM names several prostheses for the chip",
    # A row that no report can find; one such customer must not keep everybody's hour from being published.
    **dict.fromkeys(WORN, "the CRM has no login or no name for the wearer of the chip"),
}
UNKNOWN_CHIP = "the CRM doesn't know the chip"


@dataclass(frozen=True, slots=True)
class Joined:
    """The mart's rows, and the telemetry that can't be among them. Every row of telemetry is in one of the two.

    Attributes:
        rows: One row per prosthesis and hour, the mart's columns and `hour_start`. Integers are Int64 and
            reals Float64: whether they fit the table's narrower types is checked when they are published.
        rejected: Rows of telemetry that break a rule, or whose chip nobody is known to have worn in the hour; with
            `reason`, all that is wrong in words, and `no_wearer`, whether that is among it.
        assumed: Of `rows`, how many per hour have a wearer whom the CRM didn't name in the hour.
    """

    rows: pl.DataFrame
    rejected: pl.DataFrame
    assumed: Mapping[datetime, int]


def join_telemetry_with_customers(
    crm: pl.DataFrame, telemetry: pl.DataFrame, *, report_timezone: str, processed_at: datetime
) -> Joined:
    """Inner join on hour and chip of the rows that hold, with the wearers of the hour.

    Args:
        crm: Rows of `staging.crm_customer_prosthesis`.
        telemetry: Rows of `staging.hourly_telemetry`.
        report_timezone: IANA zone that `report_date` and `report_hour` are in.
        processed_at: The `etl_processed_at` of all rows.

    Raises:
        DataError: A chip has two wearers in an hour, or two rows of telemetry: which is right can't be told, and
            taking both would double the hour.
    """
    worn = crm.filter(pl.col("chip_id").is_not_null() & pl.col("ownership").is_in(WORN)).select(
        *KEY, "prosthesis_id", *FROM_CRM.values(), "ownership"
    )
    _refuse_duplicates(worn, "The CRM extract names more than one wearer of the same chip")
    sound = telemetry.filter(pl.col(SOURCE_FAULT) == "")
    _refuse_duplicates(sound, "The telemetry has more than one row for the same chip and hour")
    judged = with_reason(telemetry).drop(SOURCE_FAULT)
    broken = judged.filter(pl.col(REASON).is_not_null())
    held = judged if broken.is_empty() else judged.filter(pl.col(REASON).is_null())
    named = worn.filter(~nameless())
    matched = held.join(named, on=KEY, how="inner")
    local = pl.col("hour_start").dt.convert_time_zone(report_timezone)
    rows = matched.select(
        "prosthesis_id",
        "chip_id",
        "hour_start",
        local.dt.date().alias("report_date"),
        local.dt.hour().cast(pl.Int64).alias("report_hour"),
        *(pl.col(source).fill_null("").alias(name) for name, source in FROM_CRM.items()),
        *(pl.col(name).fill_null(0) for name in NUMBERS),
        pl.col("updated_at").fill_null(EPOCH).alias("source_updated_at"),
        pl.lit(processed_at).cast(pl.Datetime("us", "UTC")).alias("etl_processed_at"),
    )
    assumed = matched.filter(pl.col("ownership") == ASSUMED).group_by("hour_start").len()
    unworn = judged.join(named, on=KEY, how="anti")
    return Joined(rows, _rejected(unworn, broken.join(named, on=KEY, how="semi"), crm), dict(assumed.iter_rows()))


def _rejected(unworn: pl.DataFrame, broken: pl.DataFrame, crm: pl.DataFrame) -> pl.DataFrame:
    """The rows that have no wearer, and those that have one and break a rule; with the reasons."""
    verdicts = crm.filter(pl.col("ownership").is_in(list(NO_WEARER))).select(*KEY, "ownership").unique(KEY)
    why = pl.col("ownership").replace_strict(NO_WEARER, default=UNKNOWN_CHIP)
    nobodys = unworn.join(verdicts, on=KEY, how="left").with_columns(
        pl.concat_str(why, REASON, separator="; ", ignore_nulls=True).alias(REASON), no_wearer=pl.lit(True)
    )
    return pl.concat([nobodys.drop("ownership"), broken.with_columns(no_wearer=pl.lit(False))])


def nameless() -> pl.Expr:
    """Whether the CRM has no login or no name for the person of a row."""
    return invisible("user_id") | invisible("customer_full_name")


def _refuse_duplicates(rows: pl.DataFrame, claim: str) -> None:
    # Counting is cheaper than naming, and nearly always all there is to do.
    counts = rows.group_by("hour_start").agg(pl.col("chip_id").n_unique(), pl.len())
    if not counts.filter(pl.col("chip_id") < pl.col("len")).is_empty():
        doubled = rows.group_by(KEY).len().filter(pl.col("len") > 1).sort(KEY)
        chips = ", ".join(doubled["chip_id"].unique().sort().head(5))
        raise DataError(
            f"{claim}: {doubled.height} cases in {describe(doubled['hour_start'].unique())}, like {chips}. "
            "Nothing was published; correct the source and load these hours again."
        )
