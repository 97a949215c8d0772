"""Writing pages: whole or not at all, and readable by their owner alone."""

import os
import re
import tempfile
from contextlib import suppress
from datetime import date
from pathlib import Path

from bionicpro_assets.errors import PlatformError
from bionicpro_assets.report.period import Period

OWNER_ONLY = 0o600
# It names nobody, and whoever serves the folder is another user.
FLEET_PAGE = 0o644


def file_name(period: Period, user: str, code: str) -> str:
    """A name for the page: `report-anna-2026-11-01-2026-11-30-en.html`, `fleet-2026-11-30-en.html`."""
    days = f"{period.first}-{period.last}" if period.first != period.last else f"{period.first}"
    # Logins are the CRM's: anything may be in them.
    who = f"report-{re.sub('[^A-Za-z0-9._-]+', '_', user).strip('.') or 'user'}" if user else "fleet"
    return f"{who}-{days}-{code}.html"


def write_page(path: Path, page: str, mode: int = OWNER_ONLY) -> None:
    """Write the page in place of what was there, in one go.

    Raises:
        PlatformError: The folder isn't there, or can't be written to.
    """
    try:
        # In the same folder, so that it can be moved over the old one. The file is its owner's alone from the start.
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(page)
            Path(name).chmod(mode)
            Path(name).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise PlatformError(f"{path} can't be written: {error.strerror or error}.") from None


def write_fleet_page(folder: Path, day: date, page: str, code: str) -> Path:
    """Write the fleet's page of a day into the folder, and as `fleet-latest-….html` if none is newer; where it is.

    Raises:
        PlatformError: The folder can't be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PlatformError(
            f"The folder of pages, {folder}, can't be made: {error.strerror or error}. It is BIONICPRO_PAGES."
        ) from None
    path = folder / f"fleet-{day}-{code}.html"
    write_page(path, page, FLEET_PAGE)
    if path.name == max(other.name for other in folder.glob(f"fleet-[0-9]*-{code}.html")):
        write_page(folder / f"fleet-latest-{code}.html", page, FLEET_PAGE)
    return path


def drop_old_pages(folder: Path, today: date, keep_days: int) -> int:
    """Delete the fleet's pages of days that are more than so many days ago; how many there were. Nothing else goes.

    Raises:
        PlatformError: A page can't be deleted.
    """
    old = [path for path in folder.glob("fleet-*.html") if (day := _day(path)) and (today - day).days > keep_days]
    for path in old:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise PlatformError(f"{path} can't be deleted: {error.strerror or error}.") from None
    return len(old)


def _day(path: Path) -> date | None:
    found = re.fullmatch(r"fleet-(\d{4}-\d\d-\d\d)-[a-z]{2}\.html", path.name)
    return date.fromisoformat(found[1]) if found else None
