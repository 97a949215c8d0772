"""What a row of telemetry can't be: rows that break a rule are set aside, with the reason. Pure polars.

What no table can hold is cut before it is read, in `sql/`, to a value that breaks a rule here. What can't be seen in a
row alone is noted in its `source_fault`. Rows of the CRM are judged in `sql/crm/queries/customer_prosthesis.sql`.
"""

import polars as pl

COUNTS = ["movements_count", "successful_movements", "error_count", "warning_count"]
PERCENTAGES = ["success_rate", "avg_battery_level", "min_battery_level", "max_battery_level", "avg_connection_quality"]
TIMES = ["avg_response_time", "min_response_time", "max_response_time"]
REALS = [
    "success_rate",
    "avg_response_time",
    "avg_battery_level",
    "avg_actuator_temp",
    "max_actuator_temp",
    "avg_myo_amplitude",
    "avg_connection_quality",
]
# Averages come rounded to two decimals, minima and maxima as they are.
ROUNDING = 0.01
LARGEST_UINT32 = 2**32 - 1
LARGEST_FLOAT32 = 3.4028234e38
REASON = "reason"
# As long as a chip's name may be, by the data contract.
LONGEST_CHIP = 64
SOURCE_FAULT = "source_fault"
ASKEW = "hour_start is not a whole UTC hour"
DOUBLED = "the source has several rows of the chip in the hour"
# A login, a name or a chip that has none of these other characters can neither be seen nor looked up.
VISIBLE = r"[^\p{Cc}\p{Cf}\p{Z}\p{White_Space}\p{Default_Ignorable_Code_Point}\x{2800}]"


def rules() -> dict[str, pl.Expr]:
    """Every rule: what is wrong, in words, and the rows of `staging.hourly_telemetry` for which it is so."""
    column = pl.col
    found = {f"{c} is negative": column(c) < 0 for c in [*COUNTS, *TIMES, "avg_myo_amplitude"]}
    found |= {f"{c} is outside 0 to 100": ~column(c).is_between(0, 100) for c in PERCENTAGES}
    found |= {f"{c} is not a finite number": ~column(c).is_finite() for c in REALS}
    found |= {f"{c} is too large": column(c) > LARGEST_UINT32 for c in [*COUNTS, *TIMES]}
    found |= {f"{c} is too large": column(c).is_finite() & (column(c).abs() > LARGEST_FLOAT32) for c in REALS}
    for thing in ("response_time", "battery_level"):
        low, mean, high = (column(f"{part}_{thing}") for part in ("min", "avg", "max"))
        found[f"min, avg and max of {thing} are out of order"] = (
            (low > high) | (mean < low - ROUNDING) | (mean > high + ROUNDING)
        )
    mean, high = column("avg_actuator_temp"), column("max_actuator_temp")
    found["avg_actuator_temp is above max_actuator_temp"] = mean > high + ROUNDING
    movements, successful = column("movements_count"), column("successful_movements")
    found["more successful movements than movements"] = successful > movements
    rate = pl.when(movements > 0).then(100.0 * successful / movements).when(movements == 0).then(0.0)
    found["success_rate is not that of the counts"] = (column("success_rate") - rate).abs() > ROUNDING
    found["updated_at is before 1970 or after 2105"] = ~column("updated_at").dt.year().is_between(1970, 2105)
    found["chip_id is empty"] = invisible("chip_id")
    found[f"chip_id is longer than {LONGEST_CHIP} characters"] = column("chip_id").str.len_chars() > LONGEST_CHIP
    return found


def with_reason(telemetry: pl.DataFrame) -> pl.DataFrame:
    """The rows with a column `reason`: the rules they break, with semicolons between; null where none is broken."""
    broken = (pl.when(condition).then(pl.lit(words)) for words, condition in rules().items())
    noted = pl.when(pl.col(SOURCE_FAULT) != "").then(pl.col(SOURCE_FAULT).cast(pl.String))
    reason = pl.concat_str(noted, *broken, separator="; ", ignore_nulls=True)
    return telemetry.with_columns(pl.when(reason != "").then(reason).alias(REASON))


def invisible(column: str) -> pl.Expr:
    """Whether a text is empty, or has nothing that can be seen."""
    return ~pl.col(column).fill_null("").str.contains(VISIBLE)


def with_source_fault(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of telemetry as they were read, each in its hour, with `source_fault`: what its values alone don't show.

    A row without a chip has an empty one. Of several rows of a chip in an hour nobody can tell which is right. One that
    is of no whole hour is set aside by itself, and says nothing about the one beside it.
    """
    hour = pl.col("hour_start").dt.truncate("1h")
    askew = pl.col("hour_start") != hour
    rows = rows.with_columns(
        hour_start=hour,
        chip_id=pl.col("chip_id").fill_null(""),
        source_fault=pl.when(askew).then(pl.lit(ASKEW)).otherwise(pl.lit("")),
    )
    whole = pl.col(SOURCE_FAULT) == ""
    # Counting is cheaper than naming, and nearly always all there is to do.
    if rows.filter(whole).select(pl.struct("hour_start", "chip_id").n_unique()).item() == rows.filter(whole).height:
        return rows
    doubled = whole & (pl.len().over("hour_start", "chip_id", SOURCE_FAULT) > 1)
    return rows.with_columns(source_fault=pl.when(doubled).then(pl.lit(DOUBLED)).otherwise(SOURCE_FAULT))
