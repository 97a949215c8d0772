"""`bionicpro demo`."""

import os
import shutil
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bionicpro_assets.cli.console import console
from bionicpro_assets.cli.materialize import load_hours
from bionicpro_assets.cli.query import asked, show_answer
from bionicpro_assets.databases import clickhouse_of, crm_of
from bionicpro_assets.errors import PlatformError
from bionicpro_assets.hours import describe, floor_hour, hour_range
from bionicpro_assets.settings import Settings
from bionicpro_assets.setup.clickhouse import apply_clickhouse_schema
from bionicpro_assets.setup.demo import DEMO_ENV, Fleet, demo_databases, demo_in_use, is_refitted, refit, write_env_file
from bionicpro_assets.sqlfiles import sql

MINUTES_INTO_THE_HOUR = timedelta(minutes=12)


def run_demo(home: Path, fleet: Fleet) -> None:
    """Databases, demo data, the job over all hours, and the mart on the screen.

    Raises:
        PlatformError: Settings for other databases are in the environment, or anything fails.
    """
    # The environment goes before .env: demo rows would end up in somebody's databases.
    if theirs := sorted(n for n in os.environ if n.startswith("BIONICPRO_") and n.endswith("_URL")):
        raise PlatformError(
            f"{', '.join(theirs)} is set in the environment, and the demo never touches configured databases. "
            "Unset it, or use: bionicpro materialize"
        )
    began = time.monotonic()
    console.print(f"Starting PostgreSQL in {home / 'postgres'} and making demo data …")
    with demo_databases(home, fleet) as values:
        other = demo_in_use()
        env_file = write_env_file(values, home)
        os.environ["BIONICPRO_ENV_FILE"] = str(env_file)
        settings = Settings.load()
        with clickhouse_of(settings) as clickhouse:
            apply_clickhouse_schema(clickhouse)
        hours = hour_range(settings.partitions_start, floor_hour(datetime.now(UTC)))
        left_out, hours = (hours[:24], hours[24:]) if fleet.days else ([], hours)
        doubts = load_story(settings, hours)
    show_mart(settings)
    took = time.monotonic() - began
    option = "" if env_file.name == ".env" else f" --env-file {os.path.relpath(env_file)}"
    bionicpro = "bionicpro" if shutil.which("bionicpro") else ".venv/bin/bionicpro"
    console.print(f"\nDone in {took:.0f} s; the settings are in {os.path.relpath(env_file)}.", highlight=False)
    if other and other != home.resolve() and (other / DEMO_ENV).exists():
        console.print(
            f"Until now they were those of the demo in {os.path.relpath(other)}; it stays. To use it: "
            f"{bionicpro} --env-file {os.path.relpath(other / DEMO_ENV)} …",
            highlight=False,
        )
    say_what_is_open(doubts, left_out)
    console.print("How to go on:")
    for command, what in (
        ("up", "the Dagster UI with the schedule on, at http://127.0.0.1:3000"),
        ('query "SELECT count() FROM reports.user_prosthesis_stats"', "SQL on the mart"),
        ("report --fleet", "a page about all prostheses, to open in a browser; --user user_0005 for one patient's"),
        ("materialize", "load the last hours again: the numbers stay the same"),
        ("status", "what is loaded, and how fresh it is"),
    ):
        console.print(f"  {bionicpro}{option} {command}", highlight=False, soft_wrap=True)
        console.print(f"      {what}", style="dim", highlight=False)


def load_story(settings: Settings, hours: Sequence[datetime]) -> list[str]:
    """Load the hours; what the checks found. The first time a chip is refitted on the way, to have a history to see."""
    crm = crm_of(settings)
    before, after = hours[:-2], hours[-2:]
    if before and not is_refitted(crm):
        # Without the newest hours it isn't fresh, and the checks are right to say so; the load after it is.
        load_hours(settings, before, say_doubts=False)
        refit(crm, after[0] + MINUTES_INTO_THE_HOUR)
        hours = after
    return load_hours(settings, hours, say_doubts=False)


def say_what_is_open(doubts: Sequence[str], left_out: Sequence[datetime]) -> None:
    """Print what the demo warns of, all of which it has on purpose, and which hours it leaves to load."""
    if doubts:
        console.print("Open warnings, also in the UI under Catalog. They are part of the demo:")
    for doubt in doubts:
        console.print(f"  ! {doubt}", highlight=False)
    if left_out:
        console.print(
            f"{describe(left_out)} aren't loaded: the dialog for a backfill in the UI offers them as missing.",
            highlight=False,
        )


def show_mart(settings: Settings) -> None:
    """Print a sample of the mart, the two monitoring queries, and what the demo has for history and quarantine."""
    with asked(settings) as clickhouse:
        for title, name in (
            ("reports.user_prosthesis_stats, the newest rows", "demo_sample"),
            ("Today, by patient", "monitor_today_by_user"),
            ("The last days", "monitor_last_days"),
            (
                "Whose hour: a chip that was refitted leaves the hours before with the first wearer",
                "demo_refitted_chip",
            ),
            ("Set aside: the CRM doesn't know this chip. The check every_chip_known warns of it", "demo_set_aside"),
        ):
            if show_answer(clickhouse, sql(f"clickhouse/queries/{name}.sql"), title):
                console.print()
