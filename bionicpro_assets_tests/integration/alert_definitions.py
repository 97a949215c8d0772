"""A code location that can be made to fail, for the tests of alerts."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from bionicpro_assets.hours import floor_hour, partition_key

OPEN = floor_hour(datetime.now(UTC))
HOURS = [partition_key(OPEN - timedelta(hours=n)) for n in (5, 4, 3, 2, 1, 0)]


class Trouble:
    """What the definitions below do wrong: an exception to raise, hours for which a check fails."""

    error: Exception | None = None
    bad_hours: frozenset[str] = frozenset()
    severity = dg.AssetCheckSeverity.ERROR


def definitions(trouble: Trouble) -> dg.Definitions:
    hourly = dg.HourlyPartitionsDefinition(start_date=HOURS[0], end_offset=1, timezone="UTC", fmt="%Y-%m-%d-%H:%M")

    @dg.asset(key=["staging", "telemetry"], partitions_def=hourly)
    def telemetry() -> None: ...

    @dg.asset(
        key=["reports", "mart"],
        deps=[telemetry],
        partitions_def=hourly,
    )
    def mart(context):
        for key in context.partition_keys:
            context.op_execution_context.log_event(
                dg.AssetCheckEvaluation(
                    asset_key=dg.AssetKey(["reports", "mart"]),
                    check_name="no_gaps",
                    passed=key not in trouble.bad_hours,
                    severity=trouble.severity,
                    partition=key,
                    description="Rows of anna@example.org are missing." if key in trouble.bad_hours else None,
                )
            )
        if trouble.error:
            raise trouble.error
        return dg.MaterializeResult(asset_key=["reports", "mart"])

    @dg.op
    def sweep_op():
        if trouble.error:
            raise trouble.error

    @dg.job
    def sweep():
        sweep_op()

    @dg.asset(freshness_policy=dg.FreshnessPolicy.time_window(timedelta(minutes=10), timedelta(minutes=5)))
    def fresh() -> None: ...

    @dg.asset_check(asset=fresh)
    def has_rows() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=not trouble.bad_hours)

    etl = dg.define_asset_job("etl", selection=["staging/telemetry", "reports/mart"])
    return dg.Definitions(
        assets=[telemetry, mart, fresh], asset_checks=[has_rows], jobs=[etl, sweep], executor=dg.in_process_executor
    )


@dg.definitions
def defs() -> dg.Definitions:
    return definitions(Trouble())
