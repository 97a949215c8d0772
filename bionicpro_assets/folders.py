"""Folders and files that are written to: what the platform writes itself is for its owner alone."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bionicpro_assets.errors import PlatformError

OTHERS = 0o077
OWNER_ONLY_FILE, OWNER_ONLY_FOLDER = 0o600, 0o700
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
    inside = list(home.iterdir())
    mine = home.stat().st_uid == os.geteuid()
    if mine and OF_THE_HOME.issuperset(entry.name for entry in inside):
        # Run by root, PostgreSQL works as another user, who must get through to its own folder. That is all it may.
        home.chmod(OWNER_ONLY_FOLDER | (0o011 if os.geteuid() == 0 else 0))
        # Wherever it stands, `git add` takes nothing of it.
        if not (home / ".gitignore").exists():
            write_private(home / ".gitignore", "*\n")
    for entry in inside:
        if entry.name in OF_THE_HOME and not entry.is_symlink():
            found = entry.stat()
            if found.st_uid == os.geteuid() and found.st_mode & OTHERS:
                entry.chmod(found.st_mode & 0o7777 & ~OTHERS)
    return home


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, also if others could read what stood there.

    Raises:
        OSError: It can't be written.
    """
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, OWNER_ONLY_FILE), "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), OWNER_ONLY_FILE)
        file.truncate()
        file.write(text)


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
