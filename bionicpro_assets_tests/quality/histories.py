"""Random histories in which nothing is wrong, and the claims that say otherwise: false alarms.

    python -W ignore -m bionicpro_assets_tests.quality.histories --histories 200 [--seed 1]

Each is five weeks of a fleet of 3 to 150 patients in one of several time zones, with nights, weekends, hours off, new
patients, refits and retirements; it ends at a random moment, in the days after clocks were changed, or around the end of
a month. Its last hours are loaded tick by tick, and after every tick all claims are evaluated.
"""

import argparse
import random
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from bionicpro_assets.hours import floor_hour
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.quality.claims import claims
from bionicpro_assets.settings import Settings
from bionicpro_assets.setup.clickhouse import apply_clickhouse_schema
from bionicpro_assets_tests.quality.fleet import Fleet, load_history

ZONES = ["UTC", "Europe/Moscow", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]
TICKS = 2


def settings(zone: str) -> Settings:
    """The defaults, with a report time zone; nothing of it is connected to but what a test hands over."""
    source = "postgresql://nobody:nothing@127.0.0.1:1/none"
    return Settings(
        BIONICPRO_CRM_DB_URL=source,
        BIONICPRO_TELEMETRY_DB_URL=source,
        BIONICPRO_CLICKHOUSE_URL="chdb:///nowhere",
        BIONICPRO_REPORT_TIMEZONE=zone,
    )


def changes_of_clocks(zone: str, since: datetime, until: datetime) -> list[datetime]:
    """The hours in which the zone's offset changes."""
    tz, hours = ZoneInfo(zone), int((until - since) / timedelta(hours=1))
    offsets = [(since + timedelta(hours=h)).astimezone(tz).utcoffset() for h in range(hours)]
    return [since + timedelta(hours=h) for h in range(1, hours) if offsets[h] != offsets[h - 1]]


def moment(dice: random.Random, zone: str, now: datetime) -> datetime:
    """When a history ends: at any time, soon after clocks were changed, or when a month did."""
    first, last = floor_hour(now) - timedelta(days=320), floor_hour(now) - timedelta(days=1)
    anywhere = first + timedelta(hours=dice.randrange(int((last - first) / timedelta(hours=1))))
    month = anywhere.replace(day=1, hour=0) + timedelta(days=32)
    changes = changes_of_clocks(zone, first, last - timedelta(days=9))
    ends = [anywhere, month.replace(day=1) + timedelta(hours=dice.randrange(-6, 12))]
    if changes:
        ends.append(dice.choice(changes) + timedelta(hours=dice.randrange(0, 8 * 24)))
    return min(dice.choice(ends), last) + timedelta(minutes=dice.choice([10, 25, 40, 55]))


def false_alarms(clickhouse: ClickHouse, seed: int, ticks: int = TICKS) -> tuple[list[str], str]:
    """What the claims find in the history of this seed, and what the history is."""
    dice = random.Random(seed)
    zone = dice.choice(ZONES)
    end = moment(dice, zone, datetime.now(UTC))
    patients = dice.choice([3, 12, 40, 150])
    fleet = Fleet(dice, patients=patients, end=end, zone=zone)
    verdicts = load_history(clickhouse, fleet, claims(settings(zone)), zone=zone, ticks=ticks)
    return [str(v) for v in verdicts], f"seed {seed}: {patients} patients in {zone}, to {end:%Y-%m-%d %H:%M} UTC"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--histories", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    began, wrong, kinds = time.monotonic(), 0, Counter[str]()
    with tempfile.TemporaryDirectory() as folder, ClickHouse(f"chdb://{Path(folder) / 'clickhouse'}") as clickhouse:
        apply_clickhouse_schema(clickhouse)
        for seed in range(arguments.seed, arguments.seed + arguments.histories):
            found, history = false_alarms(clickhouse, seed)
            wrong += bool(found)
            kinds.update(text.partition(":")[0] for text in found)
            if found:
                print(history, *found, sep="\n  ", flush=True)  # noqa: T201
    count = len(claims(settings("UTC")))
    print(  # noqa: T201
        f"{arguments.histories} histories from seed {arguments.seed}, {TICKS + 1} ticks each, {count} claims after every "
        f"tick: false alarms in {wrong} histories {dict(kinds)}; {time.monotonic() - began:.0f} s"
    )


if __name__ == "__main__":
    main()
