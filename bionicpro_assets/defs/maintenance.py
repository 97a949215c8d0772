"""Maintenance: what keeps the storage small."""

from datetime import timedelta

import dagster as dg

from bionicpro_assets.defs import keys
from bionicpro_assets.defs.hourly import clear_failure
from bionicpro_assets.defs.resources import ClickHouseResource
from bionicpro_assets.load.sweep import sweep
from bionicpro_assets.settings import Settings


def maintenance(settings: Settings) -> dg.Definitions:
    """The sweep of the storage, an hour apart, at a minute when no refresh begins."""

    @dg.asset(
        key=keys.JOURNAL,
        group_name="maintenance",
        owners=["team:reports"],
        kinds={"clickhouse"},
        pool=keys.POOL,
        metadata={"dagster/table_name": keys.table_name(keys.JOURNAL)},
    )
    def publications(bionicpro_clickhouse: ClickHouseResource) -> dg.MaterializeResult[None]:
        """The journal: who published which hour, when, and from which read of the source.

        It decides which rows the reports show. Materialising it sweeps the storage: rows that a newer publication
        replaced some hours ago, and rows of attempts that never came to an end, are deleted. Nothing that a report
        shows is touched, and the journal itself keeps everything.
        """
        grace = timedelta(hours=settings.sweep_grace_hours)
        metadata: dict[str, int] = {}
        with clear_failure():
            for key in keys.PUBLISHED:
                swept = sweep(bionicpro_clickhouse.clickhouse, keys.table_name(key), replaced_grace=grace)
                for reason in ("replaced", "never committed"):
                    metadata[f"{swept.table}: rows {reason}"] = swept.rows[reason]
                    metadata[f"{swept.table}: publications {reason}"] = swept.publications[reason]
        total = sum(count for label, count in metadata.items() if ": rows " in label)
        return dg.MaterializeResult(metadata={"rows_swept": total, **metadata})

    job = dg.define_asset_job(
        keys.SWEEP_JOB,
        selection=dg.AssetSelection.assets(keys.JOURNAL),
        description="Deletes rows that no report shows: replaced by a newer publication, or never committed.",
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
