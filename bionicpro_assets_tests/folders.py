"""Folders that an embedded PostgreSQL can live in."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def folder_for_postgres() -> Iterator[Path]:
    """A new folder, gone at the end.

    Not one of pytest's own: run by root, PostgreSQL works as another user, and pytest closes its temporary folders
    to other users again whenever a worker starts.
    """
    with tempfile.TemporaryDirectory(prefix="bionicpro-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)
