"""What Dagster's instance knows, as metrics."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from bionicpro_assets.alerts.state import State
from bionicpro_assets.defs import keys
from bionicpro_assets.defs.alert_freshness import STALE
from bionicpro_assets.defs.metadata import SOURCE_READ_AT
from bionicpro_assets.hours import parse_hour
from bionicpro_assets.metrics import families
from bionicpro_assets.metrics.families import Sample
from bionicpro_assets.runs import FINISHED, UNFINISHED

DAY = timedelta(days=1)
# A day of the schedule has some 150; a backfill in many pieces more. Reading this many takes about a second.
RUNS_A_DAY = 5000
# Of each asset: its last event, how many hours it has, the newest. Asking for the hours reads every event of an
# asset, a year of them at last, and they don't change from one load to the next.
Hours = dict[dg.AssetKey, tuple[int, int, float]]
EVALUATED = {AssetCheckExecutionRecordStatus.FAILED, AssetCheckExecutionRecordStatus.SUCCEEDED}


def dagster_sources(
    opened: Callable[[], dg.DagsterInstance], repository: dg.RepositoryDefinition
) -> Mapping[str, Callable[[], Iterable[Sample]]]:
    """How each part of the instance is read, by name of the source.

    Args:
        opened: Gives Dagster's instance, as often as it is asked for.
        repository: What the code location has: jobs, assets and checks of others aren't shown.
    """
    graph = repository.asset_graph
    hours: Hours = {}
    jobs = sorted(name for name in repository.job_names if not name.startswith("__"))
    return {
        families.RUNS: lambda: _runs(opened(), jobs, datetime.now(UTC)),
        families.DAEMONS: lambda: _daemons(opened()),
        families.ASSETS: lambda: _assets(opened(), sorted(graph.materializable_asset_keys), hours),
        families.CHECKS: lambda: _checks(opened(), sorted(graph.asset_check_keys, key=str)),
        families.ALERTS: lambda: _alerts(opened()),
    }


def _runs(instance: dg.DagsterInstance, jobs: list[str], now: datetime) -> Iterator[Sample]:
    for status in UNFINISHED:
        count = instance.get_runs_count(dg.RunsFilter(statuses=[status]))
        yield Sample("bionicpro_runs", (status.value.lower(),), count)
    queued = dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED])
    for record in instance.get_run_records(queued, limit=1, ascending=True):
        asked = record.create_timestamp.replace(tzinfo=record.create_timestamp.tzinfo or UTC)
        yield Sample("bionicpro_run_oldest_queued_timestamp_seconds", (), asked.timestamp())
    ended: Counter[tuple[str, str]] = Counter()
    # Its own jobs are there with nothing, too: "no run went well" is not "no such metric".
    ended.update({(job, status.value.lower()): 0 for job in jobs for status in FINISHED})
    recent = dg.RunsFilter(statuses=FINISHED, updated_after=now - DAY)
    for record in instance.get_run_records(recent, limit=RUNS_A_DAY):
        run = record.dagster_run
        if run.job_name in jobs or run.job_name.startswith("__"):
            ended[run.job_name, run.status.value.lower()] += 1
    for labels, count in sorted(ended.items()):
        yield Sample("bionicpro_runs_ended_last_day", labels, count)
    for job in jobs:
        good = dg.RunsFilter(job_name=job, statuses=[dg.DagsterRunStatus.SUCCESS])
        for record in instance.get_run_records(good, limit=1):
            if record.start_time and record.end_time:
                yield Sample("bionicpro_job_last_success_timestamp_seconds", (job,), record.end_time)
                took = record.end_time - record.start_time
                yield Sample("bionicpro_job_last_success_duration_seconds", (job,), took)


def _daemons(instance: dg.DagsterInstance) -> Iterator[Sample]:
    # Neither is marked as public, nor is there a public way; integration/test_metrics.py notices when they move.
    beats = instance.get_daemon_heartbeats()
    for daemon in sorted(instance.get_required_daemon_types()):
        last = beats[daemon].timestamp if daemon in beats else 0.0
        yield Sample("bionicpro_daemon_heartbeat_timestamp_seconds", (daemon.lower(),), last)


def _assets(instance: dg.DagsterInstance, assets: list[dg.AssetKey], known: Hours) -> Iterator[Sample]:
    for key in assets:
        label = (key.to_user_string(),)
        latest = instance.fetch_materializations(key, limit=1).records
        if key in (*keys.PUBLISHED, keys.HOURLY_STATS):
            event_id = latest[0].storage_id if latest else 0
            if key not in known or known[key][0] != event_id:
                hours = instance.get_materialized_partitions(key)
                known[key] = event_id, len(hours), max((parse_hour(h).timestamp() for h in hours), default=0.0)
            _, count, newest = known[key]
            yield Sample("bionicpro_asset_partitions", label, count)
            if count:
                yield Sample("bionicpro_asset_newest_hour_timestamp_seconds", label, newest)
        for record in latest:
            yield Sample("bionicpro_asset_materialized_timestamp_seconds", label, record.timestamp)
            event = record.asset_materialization
            metadata = event.metadata if event else {}
            for name, metric in (
                ("dagster/row_count", "bionicpro_asset_rows"),
                (SOURCE_READ_AT, "bionicpro_asset_source_read_timestamp_seconds"),
            ):
                if name in metadata and isinstance(value := metadata[name].value, int | float):
                    yield Sample(metric, label, value)
    # Not marked as public either; see defs/alert_freshness.py.
    for key, freshness in sorted(instance.get_freshness_state_records(assets).items()):
        state = freshness.freshness_state.value
        for bad, (severity, _, _) in STALE.items():
            yield Sample("bionicpro_asset_stale", (key.to_user_string(), severity.name.lower()), state == bad)


def _checks(instance: dg.DagsterInstance, checks: list[dg.AssetCheckKey]) -> Iterator[Sample]:
    for key in checks:
        # The verdict on all hours of a run; those on single hours have partitions. No public method: see verdicts.py.
        found = instance.event_log_storage.get_asset_check_execution_history(
            key, limit=1, status=EVALUATED, partition_filter=PartitionKeyFilter(key=None)
        )
        for record in found:
            event = record.event and record.event.dagster_event
            if event is None:
                continue
            severity = event.asset_check_evaluation_data.severity
            name = "error" if severity == dg.AssetCheckSeverity.ERROR else "warning"
            failed = record.status == AssetCheckExecutionRecordStatus.FAILED
            yield Sample("bionicpro_check_failed", (key.asset_key.to_user_string(), key.name, name), failed)


def _alerts(instance: dg.DagsterInstance) -> Iterator[Sample]:
    """What the sensor keeps in its cursor: the very problems that people were told of."""
    for sensor in instance.all_instigator_state():
        if sensor.instigator_name != keys.ALERTS_SENSOR:
            continue
        state = State.of_json(getattr(sensor.instigator_data, "cursor", None))
        if state is None:
            continue
        kinds = Counter((key.partition(":")[0], told.severity.name.lower()) for key, told in state.told.items())
        for kind in ("run", "check", "freshness"):
            for severity in ("error", "warning"):
                yield Sample("bionicpro_open_problems", (kind, severity), kinds[kind, severity])
        yield Sample("bionicpro_alert_messages_waiting", (), len(state.queue))
