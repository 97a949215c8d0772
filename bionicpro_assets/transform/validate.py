"""What an hour of telemetry can't be: rows that break a rule are set aside, with the reason. Pure polars."""

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
    found["chip_id is empty"] = column("chip_id").str.strip_chars() == ""
    return found


def with_reason(telemetry: pl.DataFrame) -> pl.DataFrame:
    """The rows with a column `reason`: the rules they break, with semicolons between; null where none is broken."""
    broken = (pl.when(condition).then(pl.lit(words)) for words, condition in rules().items())
    reason = pl.concat_str(*broken, separator="; ", ignore_nulls=True)
    return telemetry.with_columns(pl.when(reason != "").then(reason).alias(REASON))
