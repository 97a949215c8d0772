"""Folders and files that are written to: what the platform writes itself is for its owner alone."""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bionicpro_assets.errors import PlatformError

OTHERS = 0o077
OWNER_ONLY_FILE, OWNER_ONLY_FOLDER = 0o600, 0o700
# How a file's name begins until it is whole. A process that is killed may leave it.
BEING_WRITTEN = ".bionicpro-"
# Everything that stands in BIONICPRO_HOME.
OF_THE_HOME = frozenset(
    {".gitignore", "clickhouse", "dagster", "demo.env", "demo.json", "pages", "postgres", "reports"}
)


def keep_private() -> None:
    """From now on, what this process writes, and those that it starts, is for its owner alone."""
    os.umask(OTHERS)


def private_home(home: Path) -> Path:
    """Make the folder BIONICPRO_HOME and close it to others, and whatever an earlier version left open in it.

    A folder that holds something else too isn't closed as a whole: it may be anybody's.

    Returns:
        The folder.

    Raises:
        OSError: It can't be made, or closed.
    """
    home.mkdir(parents=True, exist_ok=True)
    inside = [entry for entry in home.iterdir() if not entry.name.startswith(BEING_WRITTEN)]
    mine = home.stat().st_uid == os.geteuid()
    if mine and OF_THE_HOME.issuperset(entry.name for entry in inside):
        # Run by root, PostgreSQL works as another user in root's groups, who must get through to its own folder.
        let_in = stat.S_IXGRP if os.geteuid() == 0 and home.stat().st_gid == os.getegid() else 0
        home.chmod(OWNER_ONLY_FOLDER | let_in)
        # Wherever it stands, `git add` takes nothing of it.
        if not (home / ".gitignore").exists():
            write_private(home / ".gitignore", "*\n")
    for entry in inside:
        if entry.name in OF_THE_HOME and not entry.is_symlink():
            found = entry.stat()
            if found.st_uid == os.geteuid() and found.st_mode & OTHERS:
                entry.chmod(found.st_mode & 0o7777 & ~OTHERS)
    return home


def write_private(path: Path, text: str, mode: int = OWNER_ONLY_FILE) -> None:
    """Write a new file in place of what was there, in one go; whoever had the old one open doesn't see it.

    Raises:
        OSError: It can't be written, or a link, a device or a folder has this name.
    """
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise OSError("it isn't a regular file, and isn't replaced")
    # In the same folder, so that it can be moved over the old one. It is its owner's alone from the start.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f"{BEING_WRITTEN}{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(descriptor, mode)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


@contextmanager
def writing(path: Path, setting: str = "") -> Iterator[None]:
    """What is done in here writes to `path`, a file or a folder; `setting` is what says where that is.

    Raises:
        PlatformError: It can't be written.
    """
    try:
        yield
    except OSError as error:
        where = f" It is in {setting}." if setting else ""
        raise PlatformError(f"{path} can't be written: {error.strerror or error}.{where}") from None
