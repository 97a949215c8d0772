"""`bionicpro report`."""

import sys
from datetime import datetime
from pathlib import Path

from bionicpro_assets.cli.console import console
from bionicpro_assets.databases import reader_of
from bionicpro_assets.errors import PlatformError
from bionicpro_assets.folders import OWNER_ONLY_FOLDER, private_home, writing
from bionicpro_assets.report.facts import read_facts
from bionicpro_assets.report.files import file_name, write_page
from bionicpro_assets.report.page import render
from bionicpro_assets.report.period import period
from bionicpro_assets.settings import Settings

STDOUT = Path("-")
DAYS_OF_A_PATIENT, DAYS_OF_A_FLEET = 14, 7


def run_report(
    user: str | None,
    first: str | None,
    last: str | None,
    now: datetime,
    *,
    fleet: bool = False,
    out: Path | None = None,
    lang: str = "en",
) -> None:
    """Write a page about a patient, or about the fleet.

    Args:
        user: The patient's login.
        first: The first day; by default so that there are 14 days of a patient, or 7 of the fleet.
        last: The last day, included; today by default.
        now: The present instant.
        fleet: The fleet in place of a patient.
        out: The file, `-` for standard output; by default one in BIONICPRO_HOME, named after what it is about.
        lang: The page's language.

    Raises:
        PlatformError: Nobody has this login, there is nothing to tell of the period, or the file can't be written.
    """
    if fleet == bool(user):
        raise PlatformError("Name a patient by --user, or take all prostheses by --fleet; one of the two.")
    settings = Settings.load()
    days = DAYS_OF_A_FLEET if fleet else DAYS_OF_A_PATIENT
    zone, start = settings.report_timezone, settings.partitions_start
    about = period(first, last, zone=zone, start=start, now=now, default_days=days)
    with reader_of(settings) as clickhouse:
        facts = read_facts(clickhouse, about, start=start, now=now, user=user or "")
    page = render(facts, lang)
    if out == STDOUT:
        sys.stdout.write(page)
        return
    path = out or _folder(settings) / file_name(about, user or "", lang)
    write_page(path, page)
    console.print(
        f"{path}: {len(facts.days)} of {len(about.days)} days have telemetry, {len(page.encode()) / 1000:.0f} KB.",
        highlight=False,
        soft_wrap=True,
    )
    if not fleet:
        console.print("It holds personal data, and only you can read the file.", style="dim")


def _folder(settings: Settings) -> Path:
    """The folder for pages that nobody named a file for; not the one of the fleet's pages, which may be served."""
    folder = settings.home / "reports"
    with writing(folder, "BIONICPRO_HOME"):
        private_home(settings.home)
        folder.mkdir(OWNER_ONLY_FOLDER, exist_ok=True)
    return folder
