"""Writing pages: whole or not at all, and readable by their owner alone."""

import hashlib
import re
from datetime import date
from pathlib import Path

from bionicpro_assets.errors import PlatformError
from bionicpro_assets.folders import OWNER_ONLY_FILE, OWNER_ONLY_FOLDER, write_private
from bionicpro_assets.report.period import Period

# The fleet's page names nobody. In a folder of its own, BIONICPRO_PAGES, whoever serves it is another user.
SERVED_FILE, SERVED_FOLDER = 0o644, 0o755
READABLE_CHARACTERS = 24


def file_name(period: Period, user: str, code: str) -> str:
    """A name for the page: `report-anna-<16 digits>-2026-11-01-2026-11-30-en.html`, `fleet-2026-11-30-en.html`."""
    days = f"{period.first}-{period.last}" if period.first != period.last else f"{period.first}"
    return f"{_of_the_user(user) if user else 'fleet'}-{days}-{code}.html"


def _of_the_user(login: str) -> str:
    """A name that no other login has: a part to read, and digits of the login's SHA-256.

    Logins are the CRM's: they may be of any length, in any letters, and differ in nothing that a file's name can hold.
    """
    readable = re.sub(r"[^\w.-]+", "_", login[:READABLE_CHARACTERS])
    # What came from a command line in another encoding isn't valid Unicode.
    digits = hashlib.sha256(login.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"report-{readable}-{digits}"


def write_page(path: Path, page: str, mode: int = OWNER_ONLY_FILE) -> None:
    """Write the page in place of what was there, in one go.

    Raises:
        PlatformError: The folder isn't there, or can't be written to, or the path is no file's.
    """
    try:
        write_private(path, page, mode)
    except OSError as error:
        raise PlatformError(f"{path} can't be written: {error.strerror or error}.") from None


def write_fleet_page(folder: Path, day: date, page: str, code: str, *, served: bool) -> Path:
    """Write the fleet's page of a day into the folder, and as `fleet-latest-….html` if none is newer; where it is.

    Args:
        folder: It is made if it isn't there.
        day: The page's last day.
        page: The page.
        code: Its language.
        served: Whether the folder is for others to read.

    Raises:
        PlatformError: The folder can't be made or written to.
    """
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(SERVED_FOLDER if served else OWNER_ONLY_FOLDER)
    except OSError as error:
        raise PlatformError(
            f"The folder of pages, {folder}, can't be made: {error.strerror or error}. It is BIONICPRO_PAGES."
        ) from None
    mode = SERVED_FILE if served else OWNER_ONLY_FILE
    path = folder / f"fleet-{day}-{code}.html"
    write_page(path, page, mode)
    if path.name == max(other.name for other in folder.glob(f"fleet-[0-9]*-{code}.html")):
        write_page(folder / f"fleet-latest-{code}.html", page, mode)
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
