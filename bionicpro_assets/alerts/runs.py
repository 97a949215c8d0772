"""What finished runs tell: which problems begin, go on and end. Plain facts in, problems out."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bionicpro_assets.alerts.partitions import UNPARTITIONED, Partitions, minus, plus
from bionicpro_assets.alerts.problem import Severity

# Dagster asks for a retry within seconds of the failure; after this time nothing will come any more.
RETRY_AWAITED = timedelta(minutes=10)
# What nobody mends in this time nobody is waiting for; it must not be carried along for ever.
WATCHED = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A check's verdict in a run.

    Attributes:
        asset: What was checked, like `reports/user_prosthesis_stats`.
        check: The check's name.
        partition: Of which partition; `UNPARTITIONED` for none.
        passed: The verdict.
        severity: How bad it is if it failed.
        sentence: What the check says, fit to be sent.
    """

    asset: str
    check: str
    partition: str
    passed: bool
    severity: Severity = Severity.ERROR
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run that has come to its end.

    Attributes:
        run_id: Dagster's number of the run.
        label: What people call it: the job, or the assets, or the backfill.
        streak: The same for runs of which a later one takes the place of an earlier one.
        ended: When.
        failed: Whether it failed.
        cancelled: Whether somebody stopped it, which is no failure and mends nothing.
        planned: What it was to materialise.
        materialised: What it did materialise.
        failures: A pair for each step that failed: its name and its error in a sentence, fit to be sent.
        evaluations: The verdicts of checks.
        retry: It failed and Dagster is going to start it again: `awaited`, `started`, or empty.
    """

    run_id: str
    label: str
    streak: str
    ended: datetime
    failed: bool
    cancelled: bool = False
    planned: Partitions = field(default_factory=dict)
    materialised: Partitions = field(default_factory=dict)
    failures: tuple[tuple[str, str], ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    retry: str = ""


@dataclass(frozen=True, slots=True)
class Open:
    """A problem that a run began and no run has ended yet.

    Attributes:
        kind: `run` or `check`.
        streak: Which runs, or which check, it belongs to.
        label: What people call that.
        first_run: The run that began it.
        last_run: The last run that failed.
        since: When it began.
        last: When it failed last.
        runs: How many runs failed.
        pending: What has to be materialised, or to pass, until it is over. Nothing: until the streak goes well.
        severity: How bad it is.
        failures: Of the last run, each failed step and its error.
        broken: A run of the streak has gone well since, so that the next failure is a new problem.
        retry: The run that Dagster is to start again; it is no problem until that doesn't come.
    """

    kind: str
    streak: str
    label: str
    first_run: str
    last_run: str
    since: datetime
    last: datetime
    runs: int
    pending: Partitions
    severity: Severity
    failures: tuple[tuple[str, str], ...]
    broken: bool = False
    retry: bool = False

    @property
    def key(self) -> str:
        """The problem's key."""
        return f"{self.kind}:{self.streak}:{self.first_run}"


def after_run(problems: Iterable[Open], run: FinishedRun) -> list[Open]:
    """The open problems once this run has finished as well."""
    problems = _after_outcome(list(problems), run)
    checks: dict[tuple[str, str], list[Evaluation]] = {}
    for evaluation in run.evaluations:
        checks.setdefault((evaluation.asset, evaluation.check), []).append(evaluation)
    for evaluations in checks.values():
        problems = _after_check(problems, run, evaluations)
    return problems


def without_retry(problems: Iterable[Open], started: Iterable[str], at: datetime) -> list[Open]:
    """The open problems, when these runs have been started again: what they ended in is for the new ones to say.

    A run whose retry doesn't come is a problem after all.
    """
    gone = set(started)
    kept = [p for p in problems if not (p.retry and p.last_run in gone)]
    return [replace(p, retry=False) if p.retry and at - p.last >= RETRY_AWAITED else p for p in kept]


def watched(problems: Iterable[Open], at: datetime) -> list[Open]:
    """The problems without those that nobody has mended for so long that nobody will."""
    return [p for p in problems if at - p.last < WATCHED]


def _after_outcome(problems: list[Open], run: FinishedRun) -> list[Open]:
    if run.cancelled:
        return problems
    if not run.failed:
        return [rest for p in problems if (rest := _less(p, run)) is not None]
    if run.retry == "started":
        return problems
    pending = minus(run.planned, run.materialised) or run.planned
    new = Open(
        kind="run", streak=run.streak, label=run.label, first_run=run.run_id, last_run=run.run_id, since=run.ended,
        last=run.ended, runs=1, pending=pending, severity=Severity.ERROR, failures=run.failures,
        retry=run.retry == "awaited",
    )  # fmt: skip
    return _joined(problems, new)


def _less(problem: Open, run: FinishedRun) -> Open | None:
    """What is left of a problem after a run that went well; None if nothing."""
    if problem.kind != "run":
        return problem
    same = problem.streak == run.streak
    if not problem.pending:
        return None if same else problem
    pending = minus(problem.pending, run.materialised)
    return replace(problem, pending=pending, broken=problem.broken or same) if pending else None


def _after_check(problems: list[Open], run: FinishedRun, evaluations: list[Evaluation]) -> list[Open]:
    asset, check = evaluations[0].asset, evaluations[0].check
    # The last verdict on a partition counts: a step that was tried again gives several.
    verdicts = {e.partition: e for e in evaluations}
    bad = [e for e in verdicts.values() if not e.passed]
    passed = {e.partition for e in verdicts.values() if e.passed}
    if UNPARTITIONED in passed:
        passed |= run.planned.get(asset, frozenset()) - {e.partition for e in bad}
    streak, rest = f"{asset}:{check}", []
    for problem in problems:
        if problem.kind == "check" and problem.streak == streak:
            pending = minus(problem.pending, {asset: frozenset(passed)})
            if not pending:
                continue
            rest.append(replace(problem, pending=pending, broken=problem.broken or not bad))
        else:
            rest.append(problem)
    if not bad:
        return rest
    new = Open(
        kind="check", streak=streak, label=check, first_run=run.run_id, last_run=run.run_id, since=run.ended,
        last=run.ended, runs=1, pending={asset: frozenset(e.partition for e in bad)},
        severity=max(e.severity for e in bad), failures=((asset, next((e.sentence for e in bad if e.sentence), "")),),
    )  # fmt: skip
    return _joined(rest, new)


def _joined(problems: list[Open], new: Open) -> list[Open]:
    """The failure as part of the problem that its streak is in already, else as a new one."""
    for i, old in enumerate(problems):
        if (old.kind, old.streak) == (new.kind, new.streak) and not old.broken:
            merged = replace(
                old, last_run=new.last_run, last=new.last, runs=old.runs + 1, failures=new.failures,
                pending=plus(old.pending, new.pending), severity=max(old.severity, new.severity),
                # Told already, or being waited for: the new failure's own retry changes that only if it isn't.
                retry=old.retry and new.retry,
            )  # fmt: skip
            return [*problems[:i], merged, *problems[i + 1 :]]
    return [*problems, new]
