"""Locks on files, which end with the process that holds them, however it ends."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path


@contextmanager
def held(file: Path) -> Iterator[None]:
    """Hold the lock on `file`, which is made for it and gone at the end, unless the process is killed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            file.unlink(missing_ok=True)


def is_locked(file: Path) -> bool:
    """Whether a process holds the lock on `file`, this one included; where no file can be read, none does."""
    try:
        with file.open() as probe:
            fcntl.flock(probe, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def holder(file: Path) -> str:
    """Who holds the lock on `file`, in words, as far as Linux tells."""
    with suppress(OSError):
        inode = str(file.stat().st_ino)
        for line in Path("/proc/locks").read_text().splitlines():
            # 2: FLOCK  ADVISORY  WRITE 16758 fe:00:4489350 0 EOF
            _, kind, _, mode, process, place, *_ = line.split()
            if (kind, mode) == ("FLOCK", "WRITE") and place.rpartition(":")[2] == inode:
                return f"{_called(process)} (process {process})"
    return "another process"


def _called(process: str) -> str:
    parts = Path(f"/proc/{process}/cmdline").read_text(errors="replace").split("\0")
    for part, following in pairwise(parts):
        # Its own options may be anybody's names.
        if Path(part).name == "bionicpro":
            return f"bionicpro {following}".rstrip()
    return (
        "a run of Dagster's" if any("dagster" in part or "multiprocessing" in part for part in parts) else "a command"
    )
