"""When an hour needn't be read again."""

from datetime import UTC, datetime, timedelta

import pytest

from bionicpro_assets.load.table import Entry
from bionicpro_assets.load.unchanged import is_unchanged

HOUR = datetime(2026, 11, 24, 8, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return HOUR + timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("compared", "asked", "unchanged"),
    [
        # While the hour is open: for 50 minutes after a comparison.
        (0, 15, True),
        (0, 45, True),
        (0, 50, False),
        # Over the end of the hour: not before it was compared after it.
        (45, 59, True),
        (45, 60, False),
        (59.9, 75, False),
        (60, 75, True),
        (60, 109, True),
        (60, 110, False),
        # Long after it.
        (500, 549, True),
        (500, 551, False),
        # A clock that was set back.
        (100, 99, False),
    ],
)
def test_by_the_clock(compared, asked, unchanged):
    entry = Entry(1, at(compared), 2, 3, "run", made_of="2:77", compared_at=at(compared))
    assert is_unchanged(entry, HOUR, "2:77", at(asked)) == unchanged


@pytest.mark.parametrize(("was", "is_now"), [("2:77", "2:78"), ("2:77", ""), ("", ""), ("", "2:77")])
def test_by_what_it_is_made_of(was, is_now):
    entry = Entry(1, at(60), 2, 3, "run", made_of=was, compared_at=at(60))
    assert not is_unchanged(entry, HOUR, is_now, at(61))


def test_a_later_read_is_never_confirmed_by_an_earlier_one():
    entry = Entry(1, at(70), 2, 3, "run", made_of="2:77", compared_at=at(60))
    assert not is_unchanged(entry, HOUR, "2:77", at(65))
