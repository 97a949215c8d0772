"""Waiting for a driver's call, with a bound."""

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

Result = TypeVar("Result")


def answered(seconds: float, call: Callable[..., Result], *arguments: object) -> Result:
    """What the call gives, made in a thread of its own, so that a server that stays silent can be left alone.

    Raises:
        TimeoutError: It gave nothing for so long. The call goes on: whatever it uses must neither be closed nor used.
    """
    done: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()

    def work() -> None:
        try:
            done.put((call(*arguments), None))
        except BaseException as error:
            done.put((None, error))

    threading.Thread(target=work, daemon=True, name="driver").start()
    try:
        result, error = done.get(timeout=seconds)
    except Empty:
        raise TimeoutError from None
    if error is not None:
        raise error
    return result  # type: ignore[no-any-return]
