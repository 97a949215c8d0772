"""What the sensor of late hours remembers."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from bionicpro_assets.extract.changes import ChipState
from bionicpro_assets.late.cursor import LONGEST_TRANSACTION, MOST_ROWS, OVERLAP, Cursor, Found, KnownChip, Look

AT = datetime(2026, 11, 24, 10, 0, 0, 123456, tzinfo=UTC)
HOUR = datetime(2026, 11, 20, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_it_comes_back_as_it_was():
    cursor = Cursor(
        AT,
        5,
        [Look(AT, 77, 9, {HOUR: 3})],
        changed={HOUR: Found(AT, "3:12")},
        raw={HOUR: Found(AT)},
        fitted={HOUR: Found(AT)},
        known_chips={"Ч'1": KnownChip(ChipState(None, "2:2"), AT), "C2": KnownChip(ChipState(AT, "1:0"), AT)},
        compared_at=AT,
    )
    assert Cursor.parse(cursor.json()) == cursor
    assert Cursor.parse(Cursor(AT).json()) == Cursor(AT)


def test_chips_of_a_cursor_that_didnt_tell_how_the_crm_names_them():
    stored = json.loads(Cursor(AT).json()) | {
        "known_chips": {"C1": [AT.isoformat(), AT.isoformat()], "C2": [None, AT.isoformat()]}
    }
    cursor = Cursor.parse(json.dumps(stored))
    assert cursor.known_chips == {"C1": KnownChip(ChipState(AT, ""), AT), "C2": KnownChip(ChipState(None, ""), AT)}


@pytest.mark.parametrize(
    "text", ["", "x", "[]", "{}", '{"version": 2}', '{"version": 1}', '{"version": 1, "settled_at": 3}']
)
def test_what_is_no_cursor_of_this_version_is_refused(text):
    with pytest.raises(ValueError, match="cursor|Expecting value"):
        Cursor.parse(text)


def test_a_look_is_settled_when_it_is_old_and_every_transaction_of_then_has_ended():
    def settled(age, next_transaction, oldest_running):
        cursor = Cursor(AT - timedelta(days=9), 1, [Look(AT - age, next_transaction, 9, {})])
        cursor.settle(AT, oldest_running)
        return (cursor.settled_at, cursor.settled_raw, cursor.looks) == (AT - age, 9, [])

    assert settled(OVERLAP, 50, 50)
    assert not settled(OVERLAP - MINUTE, 50, 50)
    assert not settled(OVERLAP, 50, 49)
    assert not settled(LONGEST_TRANSACTION - MINUTE, 50, 49)
    assert settled(LONGEST_TRANSACTION, 50, 49), "a session that was forgotten for a day"


def test_raw_rows_that_arent_counted_are_none_and_not_up_to_number_0():
    """Where the roll-up is external; should it be the platform's later on, it isn't to count them all."""
    cursor = Cursor(AT - timedelta(days=9), None, [Look(AT - timedelta(hours=1), 50, 0, {})])
    cursor.settle(AT, 50)
    assert (cursor.settled_raw, cursor.looks) == (None, [])


def test_looks_are_settled_in_order():
    looks = [Look(AT - 30 * MINUTE, 50, 7, {}), Look(AT - 20 * MINUTE, 60, 8, {}), Look(AT - 15 * MINUTE, 55, 9, {})]
    cursor = Cursor(AT - timedelta(days=1), 1, list(looks))
    cursor.settle(AT, 55)
    assert cursor.looks == looks[1:]
    assert cursor.settled_raw == 7


def test_a_session_that_stays_open_doesnt_make_ticks_count_ever_more_rows_again():
    looks = [Look(AT - 3 * MINUTE, 50, MOST_ROWS, {}), Look(AT - MINUTE, 50, MOST_ROWS + 2, {})]
    cursor = Cursor(AT, 1, list(looks))
    cursor.settle(AT, 49)
    assert (cursor.settled_raw, cursor.looks) == (MOST_ROWS, looks[1:])
