from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bionicpro_assets.alerts.ledger import MESSAGES_A_TICK, settle
from bionicpro_assets.alerts.problem import Problem, Severity

START = datetime(2026, 11, 24, 8, tzinfo=UTC)
TICK = timedelta(seconds=30)


def problem(key="a", *, severity=Severity.ERROR, cause=None, since=START, runs=1, title=None):
    return Problem(key, title or f"Failed: {key}", severity, since, cause or key, ("Why.",), "Mend it.", "", runs)


def histories():
    """For each tick, the keys that are wrong, how bad, and what caused them."""
    wrong = st.dictionaries(st.sampled_from("abcdefghij"), st.tuples(st.sampled_from(Severity), st.sampled_from("xyz")))
    return st.lists(wrong, max_size=25)


@given(histories())
def test_each_problem_is_told_once_when_it_begins_once_when_it_ends_and_when_it_gets_worse(history):
    told, before, worst = {}, set(), {}
    for i, wrong in enumerate([*history, {}]):
        at = START + i * TICK
        problems = [problem(k, severity=s, cause=c, since=at) for k, (s, c) in wrong.items()]
        messages, told = settle(told, problems, at)
        spoken = sorted(key for message in messages for key in message.keys)
        begun, ended = set(wrong) - before, before - set(wrong)
        worse = {k for k in set(wrong) & before if wrong[k][0] > worst[k]}
        assert spoken == sorted([*begun, *ended, *worse])
        assert set(told) == set(wrong)
        assert len({m.id for m in messages}) == len(messages)
        worst = {k: max(s, worst.get(k, s) if k in before else s) for k, (s, _) in wrong.items()}
        before = set(wrong)
    assert told == {}


@given(histories())
def test_a_tick_in_which_nothing_changes_says_nothing(history):
    told = {}
    for i, wrong in enumerate(history):
        problems = [problem(k, severity=s, cause=c) for k, (s, c) in wrong.items()]
        _, told = settle(told, problems, START + i * TICK)
        assert settle(told, problems, START + i * TICK + TICK / 2) == ([], told)


def test_a_long_outage_is_two_messages():
    told, messages = {}, []
    for quarter in range(9):
        at = START + quarter * timedelta(minutes=15)
        said, told = settle(told, [problem(runs=quarter + 1)], at)
        messages += said
    said, told = settle(told, [], START + timedelta(hours=2, minutes=15))
    opened, over = messages + said
    assert opened.subject == "[BionicPRO] Failed: a"
    assert over.subject == "[BionicPRO] Over: Failed: a"
    assert "Over after 2 h 15 min, 9 runs; it began 2026-11-24 08:00 UTC." in over.body
    assert over.reply_to == opened.id


def test_problems_of_one_cause_are_one_message_at_both_ends():
    problems = [problem("run", cause="r1"), problem("check", cause="r1", severity=Severity.WARNING)]
    (opened,), told = settle({}, problems, START)
    assert opened.subject == "[BionicPRO] Failed: run (and 1 more)"
    assert "Failed: check" in opened.body
    (over,), _ = settle(told, [], START + TICK)
    assert over.keys == ("run", "check")


def test_many_new_problems_are_one_summary_and_their_ends_too():
    problems = [problem(f"p{i}") for i in range(MESSAGES_A_TICK + 1)]
    (summary,), told = settle({}, problems, START)
    assert summary.subject == f"[BionicPRO] {MESSAGES_A_TICK + 1} new problems"
    assert all(f"- Failed: p{i}\n" in summary.body for i in range(MESSAGES_A_TICK + 1))
    (over,), told = settle(told, [], START + TICK)
    assert set(over.keys) == {p.key for p in problems}
    assert told == {}


def test_what_is_given_up_is_not_called_over():
    (opened,), told = settle({}, [problem("a"), problem("b", cause="a")], START)
    messages, told = settle(told, [], START + timedelta(days=30), given_up={"a"})
    assert told == {}
    assert [(m.subject, m.reply_to) for m in messages] == [
        ("[BionicPRO] No longer watched: Failed: a", opened.id),
        ("[BionicPRO] Over: Failed: b", opened.id),
    ]


def test_the_end_has_the_title_of_the_beginning():
    _, told = settle({}, [problem(title="Failed: 08:00")], START)
    _, told = settle(told, [problem(title="Failed: 08:00 … 10:00")], START + TICK)
    (over,), _ = settle(told, [], START + 2 * TICK)
    assert over.subject == "[BionicPRO] Over: Failed: 08:00"


def test_hundreds_of_titles_are_cut_short_with_their_number():
    (summary,), _ = settle({}, [problem(f"p{i}") for i in range(200)], START)
    assert summary.body.count("\n") < 60
    assert "and 150 more" in summary.body


def test_a_subject_is_one_line_of_a_length_that_mail_programs_show():
    (message,), _ = settle({}, [problem(title="Failed: " + "x" * 500 + "\r\nBcc: everybody@example.org")], START)
    assert "\n" not in message.subject
    assert len(message.subject) == 200
