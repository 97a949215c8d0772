"""Folders that are written to."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bionicpro_assets.errors import PlatformError


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
