"""What Dagster's instance knows of runs and checks, as the plain facts that alerts are made of."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg

from bionicpro_assets.alerts.partitions import UNPARTITIONED, Partitions
from bionicpro_assets.alerts.problem import Severity
from bionicpro_assets.alerts.runs import Evaluation, FinishedRun
from bionicpro_assets.alerts.state import State
from bionicpro_assets.alerts.text import redacted
from bionicpro_assets.defs.verdicts import BLOCKED_RUN
from bionicpro_assets.errors import PlatformError

# A run's end is written by another process, which may be a little late, or have another clock.
OVERLAP = timedelta(hours=1)
# At the very first look: what failed yesterday and hasn't been mended is still worth a message.
FIRST_LOOK = timedelta(days=1)
# 500 take about 5 seconds of the minute that a tick has.
RUNS_A_LOOK = 500
BACKFILLS_A_LOOK = 10
TAG_AWAITED = timedelta(minutes=1)

BACKFILL_TAG = "dagster/backfill"
WILL_RETRY_TAG = "dagster/will_retry"
RETRIED_TAG = "dagster/auto_retry_run_id"
FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


class Facts:
    """Reads one instance, for one code location.

    Args:
        instance: Dagster's instance.
        repository: What the code location has: runs of others on the same instance are theirs to tell of.
        secrets: What must not be in any sentence.
    """

    def __init__(
        self, instance: dg.DagsterInstance, repository: dg.RepositoryDefinition, secrets: Collection[str]
    ) -> None:
        self.instance = instance
        self.assets = repository.asset_graph.get_all_asset_keys()
        self.jobs = set(repository.job_names)
        self.secrets = secrets

    def finished_runs(self, state: State, at: datetime) -> tuple[list[FinishedRun], State, bool]:
        """The runs that have finished since the last look, oldest first; the state that has seen them; if it is all."""
        since = state.seen_until - OVERLAP
        # Not the public fetch_run_status_changes: on PostgreSQL an event may become visible after one with a higher
        # number, and a cursor that has passed it never sees it.
        records = self.instance.get_run_records(dg.RunsFilter(statuses=FINISHED, updated_after=since))
        new = [r for r in records if r.dagster_run.run_id not in state.seen and _ended(r) >= since]
        new = sorted((r for r in new if not self._unsettled(r, at)), key=_ended)
        page = new[:RUNS_A_LOOK]
        backfills = self._failed_backfills(state, at)
        finished = [(r.dagster_run, self._finished(r)) for r in page]
        runs = [*(facts for run, facts in finished if self._ours(run, facts)), *backfills]
        seen = state.seen | {r.dagster_run.run_id: _ended(r) for r in page} | {b.run_id: b.ended for b in backfills}
        complete = len(page) == len(new)
        state = replace(
            state,
            seen_until=at if complete else _ended(page[-1]),
            seen={run: ended for run, ended in seen.items() if at - ended < FIRST_LOOK + 2 * OVERLAP},
        )
        return sorted(runs, key=lambda r: r.ended), state, complete

    def retried(self, runs: Iterable[str]) -> list[str]:
        """Those of the runs that Dagster has started again."""
        found = [self.instance.get_run_by_id(run) for run in runs]
        return [run.run_id for run in found if run is not None and RETRIED_TAG in run.tags]

    def _unsettled(self, record: dg.RunRecord, at: datetime) -> bool:
        """Whether a failed run may still get the tag that says if it is started again: it comes after the status."""
        run = record.dagster_run
        failed = run.status == dg.DagsterRunStatus.FAILURE and self.instance.run_retries_enabled
        return failed and WILL_RETRY_TAG not in run.tags and at - _ended(record) < TAG_AWAITED

    def _ours(self, run: dg.DagsterRun, finished: FinishedRun) -> bool:
        if not run.job_name.startswith("__"):
            return run.job_name in self.jobs
        # The job behind "Materialize" and "Execute check" has the same name in every code location.
        checked = {key.asset_key.to_user_string() for key in run.asset_check_selection or ()}
        assets = checked.union(finished.planned, (verdict.asset for verdict in finished.evaluations))
        return not assets.isdisjoint(key.to_user_string() for key in self.assets)

    def _finished(self, record: dg.RunRecord) -> FinishedRun:
        run = record.dagster_run
        failures, verdicts, ended_badly = self._events(run.run_id)
        streak, label = _streak(run)
        return FinishedRun(
            run_id=run.run_id,
            streak=streak,
            label=label,
            ended=_ended(record),
            # A run that exceeds its time limit is failed and then, as its process ends, cancelled.
            failed=run.status == dg.DagsterRunStatus.FAILURE or ended_badly,
            cancelled=run.status == dg.DagsterRunStatus.CANCELED and not ended_badly,
            planned=self._partitions(run.run_id, dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED),
            materialised=self._partitions(run.run_id, dg.DagsterEventType.ASSET_MATERIALIZATION),
            failures=tuple(failures),
            evaluations=tuple(verdicts),
            retry=_retry(run),
        )

    def _partitions(self, run_id: str, event_type: dg.DagsterEventType) -> Partitions:
        found = self.instance.get_asset_partitions_for_run(run_id, event_type)
        return {key.to_user_string(): frozenset(p or UNPARTITIONED for p in parts) for key, parts in found.items()}

    def _events(self, run_id: str) -> tuple[list[tuple[str, str]], list[Evaluation], bool]:
        """Failed steps with their errors, verdicts of checks, and whether the run was ever said to have failed."""
        steps, run_errors, verdicts = dict[str, str](), list[str](), list[Evaluation]()
        wanted = {
            dg.DagsterEventType.STEP_FAILURE,
            dg.DagsterEventType.RUN_FAILURE,
            dg.DagsterEventType.ASSET_CHECK_EVALUATION,
        }
        for record in self.instance.get_records_for_run(run_id, of_type=wanted).records:
            event = record.event_log_entry.dagster_event
            if event is None:
                continue
            if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
                if BLOCKED_RUN not in event.asset_check_evaluation_data.metadata:
                    verdicts.append(self._verdict(event.asset_check_evaluation_data))
            elif event.is_step_failure:
                steps[(event.step_key or "").replace("__", "/")] = self._sentence(event)
            else:
                run_errors.append(redacted(event.message or "", self.secrets))
        failures = list(steps.items()) or [("", sentence) for sentence in run_errors[:1]]
        return [(s, e) for s, e in failures if s or e], verdicts, bool(run_errors)

    def _verdict(self, evaluation: dg.AssetCheckEvaluation) -> Evaluation:
        return Evaluation(
            asset=evaluation.asset_key.to_user_string(),
            check=evaluation.check_name,
            partition=evaluation.partition or UNPARTITIONED,
            passed=evaluation.passed,
            severity=Severity.ERROR if evaluation.severity == dg.AssetCheckSeverity.ERROR else Severity.WARNING,
            sentence=redacted(evaluation.description or "", self.secrets),
        )

    def _sentence(self, event: dg.DagsterEvent) -> str:
        data = event.step_failure_data
        if data.user_failure_data and data.user_failure_data.description:
            return redacted(data.user_failure_data.description, self.secrets)
        error = data.error
        while error is not None and error.cause is not None:
            error = error.cause
        if error is None:
            return ""
        if error.cls_name in _family(PlatformError):
            return redacted(error.message.partition(": ")[2], self.secrets)
        # The text of any other exception may quote the row it choked on: a patient's name, an address.
        return f"{error.cls_name}; its text stays in the run, where it is seen by those who may."

    def _failed_backfills(self, state: State, at: datetime) -> list[FinishedRun]:
        """Backfills that failed by themselves, and not by a run of theirs, which would tell."""
        failed = []
        # get_backfills isn't marked as public; nor is there a public way. test_alerts notices when it moves.
        for backfill in self.instance.get_backfills(limit=BACKFILLS_A_LOOK):
            ended = datetime.fromtimestamp(backfill.backfill_end_timestamp or backfill.backfill_timestamp, UTC)
            if backfill.status.value != "FAILED" or backfill.backfill_id in state.seen or at - ended > FIRST_LOOK:
                continue
            label = f"Backfill {backfill.backfill_id}"
            selection = {key.to_user_string() for key in backfill.asset_selection or ()}
            if not set(backfill.asset_selection or ()) <= self.assets:
                continue
            error = backfill.error.cls_name if backfill.error else ""
            sentence = f"The backfill couldn't go on{f' ({error})' if error else ''}."
            failed.append(
                FinishedRun(
                    run_id=backfill.backfill_id,
                    streak=f"backfill:{backfill.backfill_id}",
                    label=f"{label} of {', '.join(sorted(selection))}" if selection else label,
                    ended=ended,
                    failed=True,
                    planned=dict.fromkeys(selection, frozenset(backfill.partition_names or ())),
                    failures=((label, sentence),),
                )
            )
        return failed


def _ended(record: dg.RunRecord) -> datetime:
    return datetime.fromtimestamp(record.end_time, UTC) if record.end_time else record.update_timestamp


def _streak(run: dg.DagsterRun) -> tuple[str, str]:
    if backfill := run.tags.get(BACKFILL_TAG):
        return f"backfill:{backfill}", f"Backfill {backfill}"
    if run.job_name.startswith("__"):
        checks = {f"{key.asset_key.to_user_string()} {key.name}" for key in run.asset_check_selection or ()}
        assets = {key.to_user_string() for key in run.asset_selection or ()}
        named = ", ".join(sorted(assets or checks)) or "all assets"
        return f"assets:{named}", f"{'Materialisation' if assets or not checks else 'Check'} of {named}"
    return f"job:{run.job_name}", f"Job {run.job_name}"


def _retry(run: dg.DagsterRun) -> str:
    if RETRIED_TAG in run.tags:
        return "started"
    return "awaited" if run.tags.get(WILL_RETRY_TAG) == "true" else ""


def _family(kind: type[PlatformError]) -> set[str]:
    return {kind.__name__}.union(*(_family(child) for child in kind.__subclasses__()))
