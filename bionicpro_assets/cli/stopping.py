"""Ctrl-C while a run is in this process: the run is canceled, which is no failure, and the command ends."""

import _thread
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import dagster as dg

# What is done when Ctrl-C was pressed, before anybody else learns of it.
_first: list[Callable[[], None]] = []


@contextmanager
def ctrl_c_held_back() -> Iterator[None]:
    """Keep Ctrl-C from everybody until the run under way is marked; to be entered before anything starts a thread.

    Whoever handles the signal would be too early: Dagster takes an interrupted run without that mark for a failed one,
    and the PostgreSQL driver cancels its statement, which is then tried again as if nothing had been pressed.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        yield
        return
    ended = threading.Event()

    def listen() -> None:
        while signal.sigwait({signal.SIGINT}) and not ended.is_set():
            try:
                for act in _first:
                    act()
            finally:
                _thread.interrupt_main()

    # Threads inherit it, those of libraries too.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        assert thread.ident is not None  # noqa: S101 - it was started
        signal.pthread_kill(thread.ident, signal.SIGINT)
        thread.join()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Stopping:
    """Whether Ctrl-C was pressed; `run_id` is the run that it is for."""

    def __init__(self, instance: "dg.DagsterInstance") -> None:
        self._instance, self._pressed = instance, threading.Event()
        self.run_id: str | None = None

    def press(self) -> None:
        """Mark the run as one that is being canceled."""
        self._pressed.set()
        run = self._instance.get_run_by_id(self.run_id) if self.run_id else None
        if run and not run.is_finished:
            self._instance.report_run_canceling(run, "Ctrl-C was pressed.")

    def check(self) -> None:
        """End the command, if Ctrl-C was pressed: Dagster may not have noticed, as after the last step of a run.

        Raises:
            KeyboardInterrupt: It was.
        """
        if self._pressed.is_set():
            raise KeyboardInterrupt


@contextmanager
def stopping(instance: "dg.DagsterInstance") -> Iterator[Stopping]:
    """For as long as this lasts, Ctrl-C cancels a run, where it is held back."""
    found = Stopping(instance)
    _first.append(found.press)
    try:
        yield found
        found.check()
    finally:
        _first.remove(found.press)
