"""Jobs for what an operator does by hand: load a period, check it, give it to other wearers.

Each has a form in the launchpad that explains itself. The job looks at the form and ends; a sensor then asks for the
runs that do the work, so that they queue, are cut and go in order like all others.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from bionicpro_assets.defs import keys
from bionicpro_assets.defs.crm import CrmExtractConfig
from bionicpro_assets.defs.hourly import clear_failure
from bionicpro_assets.errors import DataError
from bionicpro_assets.hours import describe, partition_key
from bionicpro_assets.period import period
from bionicpro_assets.runs import ASKED_TAG, OPERATOR_PRIORITY, range_tags
from bionicpro_assets.settings import Settings

if TYPE_CHECKING:
    # What define_asset_job returns; the type has no public name.
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition as AssetJob

BY_OPERATOR = "an operator"
SECONDS_BETWEEN_TICKS = 10


class Period(dg.Config):
    """Hours, in UTC."""

    first_hour: str = Field(
        "", description="First hour in UTC, like 2026-11-24T08:00. Empty: as far back as the schedule loads."
    )
    last_hour: str = Field("", description="Last hour in UTC, itself included. Empty: the hour that is open now.")


class Wearers(dg.Config):
    """Hours whose wearers were wrong in the CRM, and the chips it is about."""

    first_hour: str = Field(
        "", description="First hour in UTC, like 2026-11-24T08:00. To be filled in: this changes whose hours they are."
    )
    last_hour: str = Field("", description="Last hour in UTC, itself included. To be filled in.")
    chips: list[str] = Field(
        [], description='The chips it is about, like ["CHIP-000001"]. Empty: all chips that the CRM names now.'
    )


def operator_jobs(settings: Settings, etl: "AssetJob") -> dg.Definitions:
    """The jobs, and the sensor that turns what they were asked for into runs of `etl`, or of the checks alone."""

    @dg.op(description="Looks at the form. The runs that load the hours are asked for when it has ended well.")
    def period_to_load(context: dg.OpExecutionContext, config: Period) -> None:
        _look(context, settings, config.first_hour, config.last_hour)

    @dg.op(description="Looks at the form. The runs that check the hours are asked for when it has ended well.")
    def period_to_check(context: dg.OpExecutionContext, config: Period) -> None:
        _look(context, settings, config.first_hour, config.last_hour)

    @dg.op(description="Looks at the form. The runs that load the hours are asked for when it has ended well.")
    def wearers_to_correct(context: dg.OpExecutionContext, config: Wearers) -> None:
        with clear_failure():
            if not (config.first_hour and config.last_hour):
                raise DataError("This changes whose hours they are: name the first and the last of them.")
        _look(context, settings, config.first_hour, config.last_hour)

    @dg.job(
        name=keys.LOAD_JOB,
        config=form("period_to_load", Period),
        description="Refresh now, or load any period again: open the launchpad, fill in the hours or leave the form as "
        "it is for the last hours, and launch. The runs that load them follow within half a minute. Loading again "
        "changes nothing that is right already. An hour is loaded for all patients: for one patient's period, too, "
        "name its hours.",
        executor_def=dg.in_process_executor,
    )
    def load() -> None:
        period_to_load()

    @dg.job(
        name=keys.CHECK_JOB,
        config=form("period_to_check", Period),
        description="Evaluate all data-quality checks on a period that is loaded, without loading it again: open the "
        "launchpad and fill in the hours. What the checks find stands on their pages, hour by hour.",
        executor_def=dg.in_process_executor,
    )
    def check() -> None:
        period_to_check()

    @dg.job(
        name=keys.CORRECT_JOB,
        config=form("wearers_to_correct", Wearers),
        description="Give the hours of a period to the patients whom the CRM names now, for some chips or for all, "
        "when a mistake was corrected in the CRM. The hours keep these wearers until they are corrected again.",
        executor_def=dg.in_process_executor,
    )
    def correct() -> None:
        wearers_to_correct()

    rolled_up = [keys.HOURLY_STATS] if settings.rollup == "platform" else []
    checks = dg.define_asset_job(
        keys.CHECKS_JOB,
        selection=dg.AssetSelection.checks_for_assets(*keys.PUBLISHED, *rolled_up),
        description=f"The data-quality checks on a window of hours; asked for by {keys.CHECK_JOB}.",
        executor_def=dg.in_process_executor,
    )

    @dg.run_status_sensor(
        name=keys.OPERATOR_SENSOR,
        run_status=dg.DagsterRunStatus.SUCCESS,
        monitored_jobs=[load, check, correct],
        request_jobs=[etl, checks],
        minimum_interval_seconds=SECONDS_BETWEEN_TICKS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks for the runs that an operator's job has described.",
    )
    def asked(context: dg.RunStatusSensorContext) -> Iterator[dg.RunRequest]:
        run = context.dagster_run
        given = filled_in_form(run.run_config)
        began = context.instance.get_run_records(dg.RunsFilter(run_ids=[run.run_id]))[0].create_timestamp
        hours = period(settings, given.get("first_hour"), given.get("last_hour"), began.astimezone(UTC))
        crm = {"wearers_as_of_now": True, "chips": given.get("chips", [])} if run.job_name == keys.CORRECT_JOB else {}
        job_name = keys.CHECKS_JOB if run.job_name == keys.CHECK_JOB else keys.JOB
        yield from requests(run.run_id, job_name, hours, crm, settings.hours_per_run)

    return dg.Definitions(jobs=[load, check, correct, checks], sensors=[asked])


def form(op: str, model: type[dg.Config]) -> dg.ConfigMapping:
    """A job's whole form, which is the config of its only op.

    Without it the launchpad has the fields three levels deep, and their explanations out of sight.
    """
    fields = {
        name: dg.Field(
            [str] if isinstance(field.default, list) else str,
            default_value=field.default,
            description=field.description,
        )
        for name, field in model.model_fields.items()
    }

    @dg.config_mapping(config_schema=fields)
    def filled_in(given: dict[str, Any]) -> dict[str, Any]:
        return {"ops": {op: {"config": given}}}

    return filled_in


def filled_in_form(run_config: Mapping[str, Any]) -> Mapping[str, Any]:
    """What was filled in. A form that was launched before an upgrade may have it where the op has it."""
    for op in run_config.get("ops", {}).values():
        return op.get("config", {})  # type: ignore[no-any-return]
    return run_config


def requests(
    run_id: str, job_name: str, hours: Sequence[datetime], crm: Mapping[str, Any], at_once: int
) -> Iterator[dg.RunRequest]:
    """The runs that do what a form asked for, oldest hours first.

    Args:
        run_id: The form's run.
        job_name: The job to run.
        hours: The hours it asked for.
        crm: Run config of the CRM extract.
        at_once: Hours in one run.
    """
    config = {"ops": {keys.CRM_EXTRACT.to_python_identifier(): {"config": CrmExtractConfig(**crm).model_dump()}}}
    for i in range(0, len(hours), at_once):
        chunk = hours[i : i + at_once]
        yield dg.RunRequest(
            run_key=f"{run_id}/{i // at_once}",
            job_name=job_name,
            run_config=config if crm else {},
            tags=range_tags(partition_key(chunk[0]), partition_key(chunk[-1]), OPERATOR_PRIORITY)
            | {ASKED_TAG: BY_OPERATOR},
        )


def _look(context: dg.OpExecutionContext, settings: Settings, first: str, last: str) -> None:
    with clear_failure():
        hours = period(settings, first, last, datetime.now(UTC))
    runs = -(-len(hours) // settings.hours_per_run)
    context.log.info(f"Asking for {describe(hours)}, in {runs} runs.")
    context.add_output_metadata({"hours": len(hours), "runs": runs, "period": describe(hours)})
