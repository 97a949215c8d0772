"""Maintenance: what keeps the storage small."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import dagster as dg

from bionicpro_assets.defs import keys
from bionicpro_assets.defs.hourly import clear_failure
from bionicpro_assets.defs.resources import ClickHouseResource, PostgresResource
from bionicpro_assets.hours import describe_ranges
from bionicpro_assets.late.record import DAMAGED, as_metadata, damage, record_of
from bionicpro_assets.load.columns import hourly_tables
from bionicpro_assets.load.sweep import sweep
from bionicpro_assets.settings import Settings
from bionicpro_assets.standing.heal import Seen, look_and_heal


def maintenance(settings: Settings) -> dg.Definitions:
    """The sweep of the storage, an hour apart, at a minute when no refresh begins."""

    @dg.asset(
        key=keys.JOURNAL,
        group_name="maintenance",
        owners=["team:reports"],
        kinds={"clickhouse"},
        pool=keys.POOL,
        metadata={"dagster/table_name": keys.table_name(keys.JOURNAL)},
        check_specs=[
            dg.AssetCheckSpec(
                keys.STANDS,
                asset=keys.JOURNAL,
                description="Every hour that is kept stands as it was published: rows are counted every hour, and read "
                "again every three days. Nobody changed the tables, or put others beside them.",
            )
        ],
    )
    # Without an annotation: Dagster would want that of a tuple, of the asset and its check.
    def publications(  # type: ignore[no-untyped-def]
        context: dg.AssetExecutionContext,
        bionicpro_clickhouse: ClickHouseResource,
        bionicpro_crm_db: dg.ResourceParam[PostgresResource],
        bionicpro_telemetry_db: dg.ResourceParam[PostgresResource],
    ):
        """The journal: who published which hour, when, and from which read of the source.

        It decides which rows the reports show. Materialising it looks at everything that is kept, and then sweeps the
        storage: rows that a newer publication replaced some hours ago, and rows of attempts that never came to an end,
        are deleted. Nothing that a report shows is touched, and the journal itself keeps everything. As long as the
        journal lacks what was published, nothing is deleted: it may be the only copy.
        """
        grace = timedelta(hours=settings.sweep_grace_hours)
        metadata: dict[str, int] = {}
        with clear_failure():
            now, before = datetime.now(UTC), damage(context.instance)
            clickhouse, record = bionicpro_clickhouse.clickhouse, record_of(context.instance)
            crm, telemetry = bionicpro_crm_db.source, bionicpro_telemetry_db.source
            seen = look_and_heal(clickhouse, crm, telemetry, record, before.hours, now)
            for name in () if seen.standing.unjournalled else hourly_tables():
                swept = sweep(clickhouse, name, replaced_grace=grace)
                for reason in ("replaced", "never committed"):
                    metadata[f"{swept.table}: rows {reason}"] = swept.rows[reason]
                    metadata[f"{swept.table}: publications {reason}"] = swept.publications[reason]
        total = sum(count for label, count in metadata.items() if ": rows " in label)
        since = {hour: before.hours.get(hour, now) for hour in seen.to_load}
        return dg.MaterializeResult(
            metadata={"rows_swept": total, "hours_read_again": seen.read, **metadata},
            check_results=[_told(seen, since)],
        )

    job = dg.define_asset_job(
        keys.SWEEP_JOB,
        selection=dg.AssetSelection.assets(keys.JOURNAL),
        description="Looks whether everything that was published stands, and deletes rows that no report shows: "
        "replaced by a newer publication, or never committed.",
        tags={"dagster/max_runtime": "1800"},
    )
    schedule = dg.ScheduleDefinition(
        name=keys.SWEEP_SCHEDULE,
        job=job,
        cron_schedule="7 * * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Sweeps the storage every hour.",
    )
    return dg.Definitions(assets=[publications], jobs=[job], schedules=[schedule])


def _told(seen: Seen, since: Mapping[datetime, datetime]) -> dg.AssetCheckResult:
    """What the look found, as the check; hours that are to be loaded again with since when they are damaged."""
    says = [*seen.standing.says, *seen.done]
    if seen.to_load:
        says.append(f"{keys.LATE_SENSOR} loads them again: {describe_ranges(seen.to_load)}.")
    return dg.AssetCheckResult(
        check_name=keys.STANDS,
        passed=not seen.standing.says,
        severity=dg.AssetCheckSeverity.ERROR if seen.standing.damaged else dg.AssetCheckSeverity.WARN,
        description=" ".join(says) or None,
        metadata={
            "damaged_hours": len(seen.standing.hours),
            "hours_without_witness": len(seen.unwitnessed),
            "hours_without_source": len(seen.gone),
            DAMAGED: as_metadata(since),
            **({"notices": " ".join(seen.standing.notices)} if seen.standing.notices else {}),
        },
    )
