"""Several readers at once: the order of what they read, how far ahead they go, and how they fail."""

import threading
import time
from contextlib import closing

import pytest

from bionicpro_assets.extract.parallel import in_order


@pytest.mark.parametrize("readers", [1, 2, 3])
def test_what_is_read_comes_in_its_order_whoever_is_quicker(readers):
    def read(reader: str, item: int) -> tuple[str, int]:
        time.sleep(0.03 if item % 2 == 0 else 0)
        return reader, item

    names = [f"reader {n}" for n in range(readers)]
    found = list(in_order(names, read, range(7)))
    assert [item for _, item in found] == list(range(7))
    assert {reader for reader, _ in found} == set(names)


def test_each_reader_reads_one_item_at_a_time():
    at_work: dict[str, int] = {"a": 0, "b": 0}

    def read(reader: str, item: int) -> int:
        at_work[reader] += 1
        time.sleep(0.01)
        assert at_work[reader] == 1
        at_work[reader] -= 1
        return item

    assert list(in_order(["a", "b"], read, range(8))) == list(range(8))


def test_no_more_is_read_ahead_than_there_are_readers():
    begun: list[int] = []

    def read(_: str, item: int) -> int:
        begun.append(item)
        return item

    with closing(in_order(["a", "b"], read, range(10))) as parts:
        assert next(parts) == 0
        time.sleep(0.1)
        assert sorted(begun) == [0, 1, 2]


def test_a_failure_is_raised_when_its_turn_comes_and_nothing_is_begun_after_it():
    begun: list[int] = []

    def read(_: str, item: int) -> int:
        begun.append(item)
        if item == 1:
            raise ValueError("item 1")
        return item

    parts = in_order(["a", "b"], read, range(10))
    assert next(parts) == 0
    with pytest.raises(ValueError, match="item 1"):
        next(parts)
    assert max(begun) <= 2


def test_who_stops_early_leaves_no_thread_behind():
    before = threading.active_count()
    with closing(in_order(["a", "b"], lambda _, item: time.sleep(0.02) or item, range(10))) as parts:
        next(parts)
    assert threading.active_count() == before
