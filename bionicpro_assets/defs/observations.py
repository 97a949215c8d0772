"""Observations of the source tables: what Dagster knows of what others write."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import dagster as dg

from bionicpro_assets.defs import keys
from bionicpro_assets.defs.hourly import AssetDecorator, clear_failure
from bionicpro_assets.defs.resources import PostgresResource
from bionicpro_assets.extract import observe as known
from bionicpro_assets.extract.observe import Observation, SourceTable, observe

CRM_TABLES = {keys.CUSTOMERS: known.CUSTOMERS, keys.PROSTHESES: known.PROSTHESES}
TELEMETRY_TABLES = {keys.RAW_TELEMETRY: known.RAW_TELEMETRY, keys.HOURLY_STATS: known.HOURLY_STATS}


def observed(specs: Sequence[dg.AssetSpec]) -> list[dg.AssetSpec | dg.AssetsDefinition]:
    """The sources with these specs; those that can be observed, observable, one step a database."""
    crm = [spec for spec in specs if spec.key in CRM_TABLES]
    telemetry = [spec for spec in specs if spec.key in TELEMETRY_TABLES]
    return [
        *(spec for spec in specs if spec not in (*crm, *telemetry)),
        _observer("observe_crm", crm, CRM_TABLES, keys.CRM_DB),
        _observer("observe_telemetry", telemetry, TELEMETRY_TABLES, keys.TELEMETRY_DB),
    ]


def _observer(
    name: str, specs: Sequence[dg.AssetSpec], tables: Mapping[dg.AssetKey, SourceTable], database: str
) -> dg.AssetsDefinition:
    decorator: AssetDecorator = dg.multi_observable_source_asset(
        name=name, specs=specs, can_subset=True, required_resource_keys={database}
    )

    @decorator
    def observer(context: dg.AssetExecutionContext) -> Iterator[dg.ObserveResult]:
        resource: PostgresResource = getattr(context.resources, database)
        # In the order of the specs: Dagster refuses what comes before what it depends on.
        chosen = {spec.key: tables[spec.key] for spec in specs if spec.key in context.selected_asset_keys}
        with clear_failure():
            found = observe(resource.source, list(chosen.values()))
        for key, table in chosen.items():
            yield _result(key, found[table.relation])

    return observer


def observation_schedule(rollup: Literal["platform", "external"]) -> dg.Definitions:
    """The job that observes the sources, and its schedule: every hour, at a minute when nothing else begins."""
    sources = [keys.CUSTOMERS, keys.PROSTHESES, keys.RAW_TELEMETRY]
    if rollup == "external":
        sources.append(keys.HOURLY_STATS)
    job = dg.define_asset_job(
        keys.OBSERVE_JOB,
        selection=dg.AssetSelection.assets(*sources),
        description="Looks at the source tables: when they last changed, how many rows and which columns they have.",
        # Whatever loads goes first.
        tags={"dagster/priority": "-1", "dagster/max_runtime": "900"},
    )
    schedule = dg.ScheduleDefinition(
        name=keys.OBSERVE_SCHEDULE,
        job=job,
        cron_schedule="37 * * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Observes the source tables every hour.",
    )
    return dg.Definitions(jobs=[job], schedules=[schedule])


def _result(key: dg.AssetKey, observation: Observation) -> dg.ObserveResult:
    metadata: dict[str, Any] = {"seen_in": observation.seen_in}
    if observation.updated_at:
        metadata["dagster/last_updated_timestamp"] = dg.MetadataValue.timestamp(observation.updated_at)
    if observation.rows is not None:
        metadata["dagster/row_count"] = observation.rows
    elif observation.estimated_rows is not None:
        metadata["row_count_estimate"] = observation.estimated_rows
    if observation.columns:
        columns = [dg.TableColumn(name, kind) for name, kind in observation.columns.items()]
        metadata["dagster/column_schema"] = dg.TableSchema(columns)
    return dg.ObserveResult(asset_key=key, data_version=dg.DataVersion(observation.version), metadata=metadata)
