"""Several readers at work at the same time, and what they read in its order."""

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from queue import SimpleQueue
from typing import TypeVar

Reader = TypeVar("Reader")
Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    readers: Sequence[Reader], read: Callable[[Reader, Item], Result], items: Sequence[Item]
) -> Generator[Result]:
    """What `read` gives for every item, in order, each read by whichever reader is free.

    As many items are read ahead as there are readers, so that memory holds one result more than that. With one reader
    nothing is read ahead, and no thread is started. To be closed when it isn't read to its end: it waits for the reads
    that are under way.

    Raises:
        Exception: What `read` raises for an item, when it is that item's turn.
    """
    if len(readers) == 1:
        yield from (read(readers[0], item) for item in items)
        return
    free: SimpleQueue[Reader] = SimpleQueue()
    for reader in readers:
        free.put(reader)

    def task(item: Item) -> Result:
        reader = free.get()
        try:
            return read(reader, item)
        finally:
            free.put(reader)

    with ThreadPoolExecutor(len(readers), thread_name_prefix="reader") as pool:
        left = iter(items)
        under_way: list[Future[Result]] = [pool.submit(task, item) for item in islice(left, len(readers))]
        try:
            while under_way:
                # Taken off the list first: the list would keep what was read alive.
                result = under_way.pop(0).result()
                under_way += [pool.submit(task, item) for item in islice(left, 1)]
                yield result
                del result
        finally:
            for future in under_way:
                future.cancel()
