"""Publishing without Dagster: one frame, or all that a run loads."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from bionicpro_assets.extract.postgres import PostgresSource
from bionicpro_assets.frames import HourlyFrame, HourlyLoad
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.publish import Publication, publish
from bionicpro_assets.load.table import HourlyTable
from bionicpro_assets.steps.crm import CRM_EXTRACT, crm_load
from bionicpro_assets.steps.mart import mart_load
from bionicpro_assets.steps.telemetry import TELEMETRY, telemetry_load


def publish_frame(clickhouse: ClickHouse, name: str, frame: HourlyFrame, **options: Any) -> Publication:
    """Publish a frame under one name; the options are those of `publish`."""
    return publish(clickhouse, HourlyLoad.of(name, frame), **{"run_id": "test", "batch_size": 10_000, **options})[name]


def publish_window(
    crm: PostgresSource,
    telemetry: PostgresSource,
    clickhouse: ClickHouse,
    hours: Sequence[datetime],
    *,
    zone: str = "UTC",
    chunk_rows: int = 100_000,
    afresh: bool = False,
    **options: Any,
) -> None:
    """Both extracts, the mart and the quarantine of the hours; the options are those of `publish`."""
    publish(clickhouse, crm_load(crm, clickhouse, hours, chunk_rows=chunk_rows, afresh=afresh), **options)
    publish(clickhouse, telemetry_load(telemetry, clickhouse, hours, chunk_rows=chunk_rows, afresh=afresh), **options)
    publish_mart(clickhouse, hours, zone=zone, chunk_rows=chunk_rows, now=datetime.now(UTC), afresh=afresh, **options)


def publish_mart(
    clickhouse: ClickHouse,
    hours: Sequence[datetime],
    *,
    now: datetime,
    zone: str = "UTC",
    chunk_rows: int = 100_000,
    afresh: bool = False,
    **options: Any,
) -> None:
    """The mart and the quarantine of the hours, of the extracts that are there."""
    crm, telemetry = (
        HourlyTable.of(clickhouse, name).published(clickhouse, hours) for name in (CRM_EXTRACT, TELEMETRY)
    )
    load = mart_load(
        clickhouse, crm, telemetry, hours, report_timezone=zone, chunk_rows=chunk_rows, now=now, afresh=afresh
    )
    publish(clickhouse, load, now=now, **options)
