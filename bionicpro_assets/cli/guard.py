"""Ends what `bionicpro up` started, when it was killed itself and can't.

    python -m bionicpro_assets.cli.guard

Reads the numbers of process groups from its standard input, a line each. Its input ends when the process that holds
the other end does, however that ended; then the groups are killed.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def guard() -> Iterator[Callable[[int], None]]:
    """A guard for as long as this lasts; call what it yields with each process group that it should know of."""
    with subprocess.Popen(  # noqa: S603 - this module
        [sys.executable, "-m", __name__], stdin=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdin is not None  # noqa: S101 - by PIPE

        def tell(group: int) -> None:
            print(group, file=process.stdin, flush=True)

        try:
            yield tell
        finally:
            # Before its input ends: the groups have ended in order, and their numbers may be others' by now.
            process.kill()


def main() -> None:
    """Wait, then kill."""
    for group in [int(line) for line in sys.stdin]:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
