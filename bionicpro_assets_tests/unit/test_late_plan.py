"""Which hours are asked for, by the rule in late/plan.py."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bionicpro_assets.hours import HOUR, hour_range
from bionicpro_assets.late.plan import HOURS_PER_RUN, MAX_ATTEMPTS, MAX_OUTSTANDING, plan
from bionicpro_assets.runs import Ask, ask_tags, hours_of_run, range_tags

START = datetime(2026, 11, 1, tzinfo=UTC)
NOW = START + timedelta(days=30)


def hours(first, last):
    return hour_range(START + first * HOUR, START + last * HOUR)


def ask(first, last, asked_at, took=timedelta(minutes=1), why="late hours", since=None):
    return Ask(why, hours(first, last), asked_at, asked_at + took if took is not None else None, since)


def planned(wanted, asked=(), busy=(), now=NOW, loaded_at=NOW, since=START):
    result = plan(dict.fromkeys(wanted, since), "late hours", asked=asked, busy=busy, now=now, loaded_at=loaded_at)
    return [list(request.hours) for request in result.requests], result


def test_hours_that_follow_one_another_are_one_run_and_the_newest_come_first():
    assert planned([*hours(0, 3), *hours(7, 7), *hours(10, 12)])[0] == [hours(10, 12), hours(7, 7), hours(0, 3)]


def test_hours_of_unfinished_runs_are_waited_for_and_their_neighbours_arent():
    requests, result = planned(hours(0, 5), busy=hours(2, 3))
    assert requests == [hours(4, 5), hours(0, 1)]
    assert result.waiting == hours(2, 3)


def test_unfinished_runs_of_the_kind_leave_less_room_and_others_dont():
    busy = [ask(100 + i, 100 + i, NOW, took=None) for i in range(3)]
    wanted = [hour for i in range(0, 20, 2) for hour in hours(i, i)]
    assert len(planned(wanted, busy)[0]) == MAX_OUTSTANDING - 3
    others = [Ask("missing hours", a.hours, a.asked_at, None) for a in busy]
    assert len(planned(wanted, others)[0]) == MAX_OUTSTANDING


@pytest.mark.parametrize(("attempts", "minutes", "size"), [(1, 15, 42), (2, 30, 10), (3, 60, 2), (4, 120, 1)])
def test_what_failed_is_asked_for_later_and_in_smaller_runs(attempts, minutes, size):
    asked = [ask(0, 99, NOW - timedelta(days=i)) for i in range(attempts)]
    ended = max(a.ended_at for a in asked)
    early, result = planned(
        hours(0, 99), asked, now=ended + timedelta(minutes=minutes, seconds=-1), loaded_at=ended + HOUR
    )
    assert early == []
    assert result.waiting == hours(0, 99)
    requests, _ = planned(
        hours(0, 99), asked, now=ended + timedelta(minutes=minutes), loaded_at=ended + timedelta(seconds=1)
    )
    assert max(map(len, requests)) == size
    waits, _ = planned(hours(0, 99), asked, now=ended + timedelta(days=1), loaded_at=ended)
    assert waits == [], "nothing was loaded since: an outage"


def test_after_five_attempts_an_hour_is_given_up_until_it_changes():
    asked = [ask(5, 5, NOW - timedelta(days=i + 1)) for i in range(MAX_ATTEMPTS)]
    requests, result = planned(hours(5, 6), asked)
    assert requests == [hours(6, 6)]
    assert result.given_up == hours(5, 5)
    requests, result = planned(hours(5, 5), asked, since=NOW - timedelta(hours=1))
    assert requests == [hours(5, 5)]


def test_the_same_hours_are_asked_for_under_another_key_for_another_reason():
    keys = {
        planned(hours(5, 5), asked, since=since)[1].requests[0].key
        for asked, since in (
            ([], START),
            ([], START + HOUR),
            ([ask(5, 5, NOW - timedelta(days=2))], START),
        )
    }
    assert len(keys) == 3


@pytest.mark.parametrize("ahead", [timedelta(seconds=5), timedelta(hours=-2), timedelta(hours=9), timedelta(days=3)])
def test_attempts_are_counted_whatever_the_clock_of_the_source(ahead):
    """Each run fails; all is well with the others."""
    now, since, asked, keys = NOW, NOW + ahead, [], []
    while requests := planned(hours(5, 5), asked, now=now, loaded_at=now, since=since)[1].requests:
        keys += [request.key for request in requests]
        asked.append(ask(5, 5, now, since=requests[0].since))
        assert len(asked) <= MAX_ATTEMPTS
        now += timedelta(hours=3)
    assert planned(hours(5, 5), asked, now=now, loaded_at=now, since=since)[1].given_up == hours(5, 5)
    assert len(set(keys)) == MAX_ATTEMPTS
    changed = planned(hours(5, 5), asked, now=now, loaded_at=now, since=since + timedelta(seconds=1))[1]
    assert changed.requests[0].key not in keys, "a change in the second after the first isn't what these were for"


def test_a_run_that_doesnt_tell_since_when_its_hours_were_wanted_leaves_the_next_another_key():
    """As runs did before, and with the source's clock ahead."""
    since = NOW + timedelta(seconds=5)
    (first,) = planned(hours(5, 5), since=since)[1].requests
    (again,) = planned(hours(5, 5), [ask(5, 5, NOW)], now=NOW + HOUR, since=since)[1].requests
    assert again.key != first.key


@given(
    wanted=st.sets(st.integers(0, 600), max_size=300),
    busy=st.sets(st.integers(0, 600), max_size=30),
    past=st.lists(st.tuples(st.integers(0, 600), st.integers(0, 40), st.integers(0, 100), st.booleans()), max_size=12),
)
def test_whatever_the_past(wanted, busy, past):
    asked = [
        ask(first, first + length, NOW - ago * HOUR, timedelta(minutes=5) if ended else None)
        for first, length, ago, ended in past
    ]
    all_wanted, all_busy = {h for i in wanted for h in hours(i, i)}, {h for i in busy for h in hours(i, i)}
    requests, result = planned(all_wanted, asked, all_busy)
    flat = [hour for request in requests for hour in request]
    assert len(flat) == len(set(flat))
    assert sorted([*flat, *result.waiting, *result.given_up]) == sorted(all_wanted), "every hour is accounted for"
    assert not set(flat) & all_busy
    assert len(requests) <= MAX_OUTSTANDING
    for request in requests:
        assert request == hour_range(request[0], request[-1])
        assert len(request) <= HOURS_PER_RUN


def test_a_runs_tags_say_its_hours():
    assert hours_of_run(ask_tags(hours(3, 5), "late hours")) == hours(3, 5)
    assert hours_of_run(ask_tags(hours(3, 5), "late hours", NOW)) == hours(3, 5)
    assert hours_of_run(range_tags("2026-11-01-03:00", "2026-11-01-05:00")) == hours(3, 5)
    assert hours_of_run({"dagster/partition": "2026-11-01-03:00"}) == hours(3, 3)
    assert hours_of_run({"dagster/partition": "somebody's"}) == hours_of_run({}) == []


def test_late_runs_go_behind_the_refresh_and_before_backfills():
    refresh = int(range_tags("a", "b")["dagster/priority"])
    missing, late = (int(ask_tags(hours(0, 0), why)["dagster/priority"]) for why in ("missing hours", "late hours"))
    assert refresh > missing > late > 0
