"""Problems of runs and checks in words."""

from collections.abc import Iterable

from bionicpro_assets.alerts.partitions import UNPARTITIONED, hours_in, in_words
from bionicpro_assets.alerts.problem import Problem, Severity
from bionicpro_assets.alerts.runs import Open


def as_problems(problems: Iterable[Open], ui_url: str) -> list[Problem]:
    """The problems in words. Those that a retry may still mend aren't among them."""
    return [_of_check(p, ui_url) if p.kind == "check" else _of_run(p, ui_url) for p in problems if not p.retry]


def _of_run(problem: Open, ui_url: str) -> Problem:
    failed = ", ".join(step for step, _ in problem.failures) or problem.label
    sentences = [sentence for _, sentence in problem.failures if sentence]
    return Problem(
        key=problem.key,
        title=f"Failed: {failed}{_period(problem)}",
        severity=problem.severity,
        since=problem.since,
        cause=problem.first_run,
        what=(*sentences, f"{problem.label}, run {problem.last_run}."),
        todo=_todo(problem),
        link=_link(problem, ui_url),
        runs=problem.runs,
    )


def _of_check(problem: Open, ui_url: str) -> Problem:
    asset, sentence = problem.failures[0]
    claim = "Check failed" if problem.severity is Severity.ERROR else "Check warns"
    return Problem(
        key=problem.key,
        title=f"{claim}: {asset}, {problem.label}{_period(problem)}",
        severity=problem.severity,
        since=problem.since,
        cause=problem.first_run,
        what=(*([sentence] if sentence else []), f"{asset}, run {problem.last_run}."),
        todo="Correct the rows at their source, then load them again; it is over when the check passes on all.",
        link=_link(problem, ui_url),
        runs=problem.runs,
    )


def _period(problem: Open) -> str:
    period = in_words(_partitions(problem))
    return f", {period}" if period else ""


def _todo(problem: Open) -> str:
    hours = hours_in(_partitions(problem))
    if not hours:
        return "Correct what the error names, then run it again."
    return (
        "Correct what the error names. It is over when all of these hours are loaded: by the schedule, as far back as "
        f"it reaches, or by bionicpro materialize --from {hours[0]:%Y-%m-%dT%H:%M} --to {hours[-1]:%Y-%m-%dT%H:%M}"
    )


def _partitions(problem: Open) -> frozenset[str]:
    return frozenset[str]().union(*problem.pending.values()) - {UNPARTITIONED}


def _link(problem: Open, ui_url: str) -> str:
    if not ui_url:
        return ""
    # A backfill that failed by itself, before or beside its runs, has a page of its own.
    place = f"b/{problem.last_run}" if problem.streak == f"backfill:{problem.last_run}" else problem.last_run
    return f"{ui_url.rstrip('/')}/runs/{place}"
