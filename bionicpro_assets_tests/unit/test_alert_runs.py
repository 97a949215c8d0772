"""Which problems runs begin, carry on and end: histories of runs, without Dagster."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bionicpro_assets.alerts.partitions import in_words, packed, unpacked
from bionicpro_assets.alerts.problem import Severity
from bionicpro_assets.alerts.runs import (
    RETRY_AWAITED,
    WATCHED,
    Evaluation,
    FinishedRun,
    after_run,
    watched,
    without_retry,
)
from bionicpro_assets.alerts.state import State
from bionicpro_assets.alerts.wording import as_problems
from bionicpro_assets.hours import partition_key

START = datetime(2026, 11, 24, 8, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
ASSETS = ("extract", "mart")


def hours(first, last):
    return frozenset(partition_key(datetime(2026, 11, 24, h, tzinfo=UTC)) for h in range(first, last + 1))


def run(n, first, last, *, failed=False, job="etl", materialised=None, assets=ASSETS, **other):
    planned = {asset: hours(first, last) for asset in assets}
    done = planned if materialised is None and not failed else {a: hours(first, last) for a in materialised or ()}
    failures = (("mart", "It broke."),) if failed else ()
    return FinishedRun(
        run_id=f"run{n}", label=f"Job {job}", streak=f"job:{job}", ended=START + n * QUARTER, failed=failed,
        planned=planned, materialised=done, failures=failures, **other,
    )  # fmt: skip


def check(partition, passed, severity=Severity.ERROR, name="no_gaps"):
    return Evaluation("mart", name, partition, passed, severity, "" if passed else "Two hours are missing.")


def after(*runs):
    problems = []
    for one in runs:
        problems = after_run(problems, one)
    return problems


def keys(problems):
    return [p.key for p in problems]


def test_a_schedule_that_goes_on_failing_is_one_problem_until_a_run_has_loaded_all_its_hours():
    failing = [run(i, 8, 10, failed=True) for i in range(9)]
    (problem,) = after(*failing)
    assert (problem.runs, problem.key) == (9, "run:job:etl:run0")
    assert after(*failing, run(9, 8, 10)) == []


def test_it_is_not_over_while_hours_that_failed_are_not_loaded():
    problems = after(run(0, 6, 8, failed=True), run(1, 8, 10))
    (problem,) = problems
    assert problem.pending == {"extract": hours(6, 7), "mart": hours(6, 7)}
    assert after_run(problems, run(2, 6, 7, job="by_hand")) == []


def test_hours_may_be_loaded_piece_by_piece_and_asset_by_asset():
    problems = after(run(0, 6, 8, failed=True), run(1, 6, 8, job="x", assets=["extract"]), run(2, 6, 7, job="x"))
    assert [p.pending for p in problems] == [{"mart": hours(8, 8)}]
    assert after_run(problems, run(3, 8, 8, job="x", assets=["mart"])) == []


def test_what_the_failed_run_did_load_need_not_be_loaded_again():
    problems = after(run(0, 8, 10, failed=True, materialised=["extract"]))
    assert [p.pending for p in problems] == [{"mart": hours(8, 10)}]


def test_a_run_that_failed_after_it_loaded_everything_wants_a_run_that_goes_well():
    problems = after(run(0, 8, 10, failed=True, materialised=ASSETS))
    assert len(problems) == 1
    assert after_run(problems, run(1, 8, 10)) == []


def test_a_job_without_assets_is_over_when_it_goes_well():
    failed = run(0, 0, 0, failed=True, assets=[])
    assert after(failed, run(1, 0, 0, assets=[], job="other")) != []
    assert after(failed, run(1, 0, 0, assets=[])) == []


def test_a_new_failure_after_a_run_that_went_well_is_a_new_problem_also_beside_hours_still_missing():
    problems = after(run(0, 6, 8, failed=True), run(1, 8, 10), run(2, 9, 11, failed=True), run(3, 9, 11, failed=True))
    assert keys(problems) == ["run:job:etl:run0", "run:job:etl:run2"]
    assert [p.runs for p in problems] == [1, 2]


def test_a_cancelled_run_neither_begins_nor_ends_anything():
    assert after(run(0, 8, 10, cancelled=True)) == []
    assert len(after(run(0, 8, 10, failed=True), run(1, 8, 10, cancelled=True))) == 1


def test_a_failed_run_does_not_end_what_another_began():
    assert len(after(run(0, 8, 10, failed=True), run(1, 8, 10, failed=True, job="x", materialised=ASSETS))) == 2


def test_a_failure_that_dagster_tries_again_is_no_problem_while_that_is_awaited():
    problems = after(run(0, 8, 10, failed=True, retry="awaited"))
    assert as_problems(problems, "") == []
    assert without_retry(problems, ["run0"], START + QUARTER) == []
    assert after(run(0, 8, 10, failed=True, retry="started")) == []


def test_a_retry_that_never_comes_makes_it_a_problem():
    problems = after(run(0, 8, 10, failed=True, retry="awaited"))
    problems = without_retry(problems, [], START + RETRY_AWAITED - timedelta(seconds=1))
    assert as_problems(problems, "") == []
    problems = without_retry(problems, [], START + RETRY_AWAITED)
    assert len(as_problems(problems, "")) == 1


def test_a_retry_that_fails_too_is_a_problem():
    problems = after(run(0, 8, 10, failed=True, retry="awaited"), run(1, 8, 10, failed=True))
    assert len(as_problems(without_retry(problems, ["run0"], START + QUARTER), "")) == 1


def test_a_retry_in_a_problem_that_is_told_already_does_not_hide_it():
    problems = after(run(0, 8, 10, failed=True), run(1, 8, 10, failed=True, retry="awaited"))
    assert len(as_problems(without_retry(problems, ["run1"], START + QUARTER), "")) == 1


def test_what_nobody_mends_is_dropped_after_a_month():
    problems = after(run(0, 8, 10, failed=True))
    assert watched(problems, START + WATCHED - QUARTER) == problems
    assert watched(problems, START + WATCHED) == []


def test_a_check_that_fails_on_hour_after_hour_is_one_problem_until_all_of_them_pass():
    bad = [run(i, 8 + i, 9 + i, evaluations=(check(p, False),)) for i, p in enumerate(sorted(hours(8, 11)))]
    (problem,) = after(*bad)
    assert (problem.runs, problem.pending) == (4, {"mart": hours(8, 11)})
    passing = run(4, 8, 11, evaluations=tuple(check(p, True) for p in hours(8, 11)))
    assert after(*bad, passing) == []


def test_an_old_bad_hour_does_not_hush_a_new_one():
    first, later = (partition_key(datetime(2026, 11, 24, h, tzinfo=UTC)) for h in (8, 15))
    clean = run(1, 12, 13, evaluations=(check(partition_key(datetime(2026, 11, 24, 12, tzinfo=UTC)), True),))
    problems = after(
        run(0, 8, 8, evaluations=(check(first, False),)), clean, run(2, 15, 15, evaluations=(check(later, False),))
    )
    assert keys(problems) == ["check:mart:no_gaps:run0", "check:mart:no_gaps:run2"]


def test_the_last_verdict_on_a_partition_counts():
    (hour,) = hours(8, 8)
    assert after(run(0, 8, 8, evaluations=(check(hour, False), check(hour, True)))) == []
    assert len(after(run(0, 8, 8, evaluations=(check(hour, True), check(hour, False))))) == 1


def test_a_pass_without_a_partition_is_one_for_the_hours_of_its_run():
    bad = run(0, 8, 9, evaluations=tuple(check(p, False) for p in hours(8, 9)))
    assert after(bad, run(1, 8, 9, evaluations=(check("", True),))) == []
    (left,) = after(bad, run(1, 9, 9, evaluations=(check("", True),)))
    assert left.pending == {"mart": hours(8, 8)}


def test_a_check_of_another_name_is_another_problem():
    problems = after(run(0, 8, 8, evaluations=(check("", False), check("", False, Severity.WARNING, "no_jumps"))))
    assert len(problems) == 2
    assert [p.title for p in as_problems(problems, "")] == [
        "Check failed: mart, no_gaps",
        "Check warns: mart, no_jumps",
    ]


def test_what_the_message_says_of_a_run():
    (told,) = as_problems(after(run(0, 8, 10, failed=True)), "https://dagster.example.org/")
    assert told.title == "Failed: mart, 2026-11-24 08:00 … 10:00 UTC (3 hours)"
    assert told.what == ("It broke.", "Job etl, run run0.")
    assert "bionicpro materialize --from 2026-11-24T08:00 --to 2026-11-24T10:00" in told.todo
    assert told.link == "https://dagster.example.org/runs/run0"


histories = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 4), st.sampled_from(["fails", "half", "well"]), st.sampled_from("ab")),
    max_size=15,
)


@given(histories)
def test_what_is_open_is_what_failed_and_was_not_loaded_since(history):
    problems, missing = [], set()
    for n, (first, length, how, job) in enumerate(history):
        loaded = ["extract"] if how == "half" else []
        one = run(
            n, first, first + length, failed=how != "well", job=job, materialised=loaded if how == "half" else None
        )
        problems = after_run(problems, one)
        covered = {(asset, hour) for asset in ASSETS for hour in hours(first, first + length)}
        missing = missing - covered if how == "well" else missing | {c for c in covered if c[0] not in loaded}
        assert {(a, h) for p in problems for a, hs in p.pending.items() for h in hs} == missing
        assert all(p.pending for p in problems)


partitions = st.sets(
    st.one_of(
        st.integers(0, 60).map(lambda h: partition_key(START + timedelta(hours=h))),
        st.sampled_from(["", "russia", "2026-11-24", "2026-11-24T08", "a..b", "2026-11-24-08:00|russia"]),
    )
)


@given(partitions)
def test_partitions_are_kept_as_they_were(found):
    assert unpacked(packed(found)) == found


def test_a_year_of_hours_is_small():
    year = {partition_key(START + timedelta(hours=h)) for h in range(8760)}
    assert packed(year) == ["2026-11-24-08:00..2027-11-24-07:00"]
    assert in_words(year) == "2026-11-24 08:00 … 2027-11-24 07:00 UTC (8760 hours)"


def test_partitions_that_are_no_hours_are_named():
    assert in_words(["russia", "europe"]) == "europe, russia"
    assert in_words([str(i) for i in range(9)]) == "0, 1, 2, 3, 4 and 4 more"
    assert in_words(hours(8, 8) | hours(10, 10)) == "2026-11-24 08:00 … 10:00 UTC (2 hours), with gaps"


def test_the_state_is_kept_as_it_was():
    problems = after(run(0, 6, 8, failed=True), run(1, 8, 10, evaluations=(check("", False, Severity.WARNING),)))
    state = State(START, {"run0": START}, problems)
    assert State.of_json(state.as_json()) == state


def test_a_cursor_of_somebody_else_is_no_state():
    state = State(START)
    for text in (None, "", "17", "{}", '{"version": 1}', state.as_json().replace('"version":1', '"version":2')):
        assert State.of_json(text) is None
