"""Dagster's instance, and running the job in this process."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
from sqlalchemy.exc import InterfaceError, OperationalError

from bionicpro_assets.definitions import build_definitions
from bionicpro_assets.defs import keys
from bionicpro_assets.errors import PlatformError
from bionicpro_assets.event_log import batch_events
from bionicpro_assets.folders import OWNER_ONLY_FOLDER, private_home, write_private, writing
from bionicpro_assets.hours import partition_key
from bionicpro_assets.launcher import LOCK_TAG
from bionicpro_assets.locks import held
from bionicpro_assets.runs import range_tags
from bionicpro_assets.settings import Settings
from bionicpro_assets.sqlfiles import PROJECT
from bionicpro_assets.sqlite_storage import configuration

EVALUATED = dg.DagsterEventType.ASSET_CHECK_EVALUATION.value


def dagster_home(settings: Settings) -> Path:
    """`DAGSTER_HOME` if it is set, else a folder under `BIONICPRO_HOME` with the embedded profile in it.

    Raises:
        PlatformError: That folder isn't there, or can't be written.
    """
    if home := os.environ.get("DAGSTER_HOME"):
        if not Path(home).is_dir():
            raise PlatformError(f"{home} is no folder. It is in DAGSTER_HOME.")
        return Path(home)
    folder = settings.home.resolve() / "dagster"
    profile = (PROJECT / "dagster.yaml").read_text(encoding="utf-8")
    with writing(folder, "BIONICPRO_HOME"):
        private_home(folder.parent)
        folder.mkdir(OWNER_ONLY_FOLDER, exist_ok=True)
        write_private(folder / "dagster.yaml", profile + configuration(folder))
    batch_events()
    return folder


@contextmanager
def dagster_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """The instance that the UI shows.

    Raises:
        PlatformError: Its storage can't be used: at once, or later on.
    """
    home = dagster_home(settings)
    try:
        with writing(home, "DAGSTER_HOME"):
            made = dg.DagsterInstance.from_config(str(home))
        with made as instance:
            yield instance
    except Exception as error:
        reason = _storage_error(error)
        if reason is None:
            raise
        raise PlatformError(
            f"Dagster's storage can't be used: {reason}. It is set in {home / 'dagster.yaml'}.", retryable=True
        ) from None


def _storage_error(error: BaseException | None) -> str | None:
    """What the driver of the storage said, if that is why; it names the place, the user, and no password."""
    while error is not None and not isinstance(error, OperationalError | InterfaceError):
        error = error.__cause__
    # Not the error of SQLAlchemy itself: that quotes the statement and its values. Further lines are advice.
    return (str(error.orig).strip().splitlines() or [type(error).__name__])[0].rstrip(".") if error else None


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a run of the job ended.

    Attributes:
        run_id: Dagster's number of the run.
        failures: What went wrong, a sentence for each failed asset; empty when all went well.
        doubts: What the data-quality checks found on the rows that were loaded, a sentence each.
    """

    run_id: str
    failures: Sequence[str]
    doubts: Sequence[str]


def run_job(
    settings: Settings,
    instance: dg.DagsterInstance,
    hours: Sequence[datetime],
    run_id: str,
    crm_config: Mapping[str, Any] | None = None,
) -> RunOutcome:
    """Run the job `bionicpro_reports_etl` over the hours, here and now, without waiting for retries.

    `crm_config` is the run config of the CRM extract.
    """
    job = build_definitions(settings, retries=False).resolve_job_def(keys.JOB)
    lock = dagster_home(settings) / "locks" / run_id
    # Runs wait for this one as long as it counts as in progress; the lock tells when its process was killed.
    with held(lock):
        result = job.execute_in_process(
            instance=instance,
            run_id=run_id,
            tags=range_tags(partition_key(hours[0]), partition_key(hours[-1])) | {LOCK_TAG: str(lock)},
            run_config={
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                "ops": {keys.CRM_EXTRACT.to_python_identifier(): {"config": dict(crm_config or {})}},
            },
            raise_on_error=False,
        )
    failures = [_in_words(event) for event in result.all_events if event.is_step_failure]
    if not result.success and not failures:
        failures = [f"The run ended early; see it in the UI: {run_id}"]
    return RunOutcome(run_id, failures, _doubts(result))


def _doubts(result: dg.ExecuteInProcessResult) -> list[str]:
    evaluations = (e.asset_check_evaluation_data for e in result.all_events if e.event_type_value == EVALUATED)
    # Those of single hours stand beside one of all hours.
    return [e.description or e.check_name for e in evaluations if not e.passed and e.partition is None]


def _in_words(event: dg.DagsterEvent) -> str:
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    return f"{event.step_key}: {data.error.message.strip() if data.error else 'failed'}"
