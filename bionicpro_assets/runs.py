"""Runs as Dagster's record has them: which hours each is for, and the tags that say so."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from bionicpro_assets.hours import hour_of_key, hour_range, partition_key

RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"
PARTITION_TAG = "dagster/partition"
PARENT_TAG = "dagster/parent_run_id"
PRIORITY_TAG = "dagster/priority"
# On runs for hours outside the refresh's window: why they were asked for.
ASKED_TAG = "bionicpro/asked_for"
# On the same: since when they were wanted, by the clock of the source that says so.
SINCE_TAG = "bionicpro/wanted_since"

Why = Literal["missing hours", "late hours"]

# The refresh of the open hour goes before everything; then what an operator waits for, then hours that reports lack,
# then hours that reports have in an older state; then backfills, which have none and count as 0.
REFRESH_PRIORITY = 10
OPERATOR_PRIORITY = 8
PRIORITIES: Mapping[Why, int] = {"missing hours": 7, "late hours": 5}
FINISHED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
UNFINISHED = [status for status in DagsterRunStatus if status not in (*FINISHED, DagsterRunStatus.MANAGED)]


@dataclass(frozen=True, slots=True)
class Ask:
    """A run for hours outside the refresh's window.

    Attributes:
        why: What was the matter with its hours.
        hours: The hours it is for.
        asked_at: When it was asked for, by Dagster's clock.
        ended_at: When it ended, well or not; None while it is queued or in progress.
        since: Since when its hours were wanted, the latest of them, by the clock of the source that says so; None if
            the run doesn't tell.
    """

    why: str
    hours: Sequence[datetime]
    asked_at: datetime
    ended_at: datetime | None
    since: datetime | None = None


def range_tags(first: str, last: str, priority: int = REFRESH_PRIORITY) -> dict[str, str]:
    """Tags of one run over a range of partitions, both included. Scheduled runs go before backfills."""
    return {RANGE_START_TAG: first, RANGE_END_TAG: last, PRIORITY_TAG: str(priority)}


def ask_tags(hours: Sequence[datetime], why: Why, since: datetime | None = None) -> dict[str, str]:
    """Tags of one run over hours that follow one another, outside the refresh's window."""
    tags = range_tags(partition_key(hours[0]), partition_key(hours[-1]), PRIORITIES[why]) | {ASKED_TAG: why}
    return tags | {SINCE_TAG: since.isoformat()} if since else tags


def hours_of_run(tags: Mapping[str, str]) -> list[datetime]:
    """The hours a run with these tags is for; none if it isn't for hours."""
    partition = tags.get(PARTITION_TAG)
    first, last = tags.get(RANGE_START_TAG, partition), tags.get(RANGE_END_TAG, partition)
    try:
        return hour_range(hour_of_key(first), hour_of_key(last)) if first and last else []
    except ValueError:
        # Days, or somebody else's partitions.
        return []


def reads_afresh(tags: Mapping[str, str]) -> bool:
    """Whether a run's hours were asked for because something is the matter with them: no shortcut is taken then."""
    return tags.get(ASKED_TAG) == "late hours"


def busy_hours(instance: dg.DagsterInstance) -> set[datetime]:
    """Hours of all runs that are queued or in progress, whoever asked for them."""
    runs = instance.get_runs(RunsFilter(statuses=UNFINISHED))
    return {hour for run in runs for hour in hours_of_run(run.tags)}


def asks(instance: dg.DagsterInstance, since: datetime, reasons: Iterable[Why] = tuple(PRIORITIES)) -> list[Ask]:
    """What was asked for since then, newest first. What Dagster starts again after a crash counts once."""
    filters = RunsFilter(tags={ASKED_TAG: list(reasons)}, created_after=since)
    return [
        Ask(
            record.dagster_run.tags[ASKED_TAG],
            hours_of_run(record.dagster_run.tags),
            record.create_timestamp.astimezone(UTC),
            _ended_at(record) if record.dagster_run.status in FINISHED else None,
            _since(record.dagster_run.tags),
        )
        for record in instance.get_run_records(filters)
        if PARENT_TAG not in record.dagster_run.tags
    ]


def _since(tags: Mapping[str, str]) -> datetime | None:
    try:
        return datetime.fromisoformat(tags[SINCE_TAG]).astimezone(UTC)
    except (KeyError, ValueError):
        # An older run, or one that somebody started with tags of their own.
        return None


def _ended_at(record: dg.RunRecord) -> datetime:
    # A run that was cancelled in the queue never began, and has no end either.
    return datetime.fromtimestamp(record.end_time, UTC) if record.end_time else record.update_timestamp.astimezone(UTC)
