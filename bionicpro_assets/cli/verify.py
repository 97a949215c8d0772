"""`bionicpro verify`."""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from bionicpro_assets.cli.console import console, table
from bionicpro_assets.databases import clickhouse_of, crm_of, telemetry_of
from bionicpro_assets.defs.keys import MART, table_name
from bionicpro_assets.doctor.mart import published_hours
from bionicpro_assets.errors import AnswerError, DataError
from bionicpro_assets.hours import HOUR, contiguous_ranges, describe, describe_ranges, floor_hour
from bionicpro_assets.instance import dagster_instance
from bionicpro_assets.late.record import record_of
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.refuse import first_kept
from bionicpro_assets.period import period
from bionicpro_assets.settings import Settings
from bionicpro_assets.setup.embedded import sources_running
from bionicpro_assets.verify import Verification, verify

ROWS_SHOWN = 20
MART_NAME = table_name(MART)


# Both sources are read, joined and compared so many hours at a time.
HOURS_AT_ONCE = 24


def run_verify(first: str | None, last: str | None, now: datetime, *, whole: bool = False, as_json: bool) -> None:
    """Compare the mart with the sources: by default the closed hours of the lookback, `whole` is all that is kept.

    Raises:
        AnswerError: They differ.
        PlatformError: They can't be compared.
    """
    settings = Settings.load()
    until = floor_hour(now)
    with (
        sources_running(settings),
        dagster_instance(settings) as instance,
        clickhouse_of(settings) as clickhouse,
    ):
        # Dagster's record is asked too: it knows hours that the tables have lost.
        loaded = {
            *published_hours(clickhouse, MART_NAME, first_kept(now), until),
            *record_of(instance).hours(MART_NAME),
        }
        kept = sorted(hour for hour in loaded if first_kept(now) <= hour < until)
        hours = kept if whole else period(settings, first, last, now, newest=until - HOUR)
        if not hours:
            raise AnswerError(f"{MART_NAME}: no hour is kept. Load some with: bionicpro materialize")
        found = Verification.nothing()
        for part in contiguous_ranges(hours, HOURS_AT_ONCE if whole else None):
            found = found.joined(_of_part(settings, clickhouse, part, whole=whole))
            if whole:
                looked_at = hours.index(part[-1]) + 1
                print(f"{looked_at} of {len(hours)} hours: {describe(part)}", file=sys.stderr, flush=True)  # noqa: T201
    others = len(set(kept) - set(hours))
    looked = f"Looked at {describe_ranges(hours)}; " + (
        f"{others} other hours that are kept were not looked at: bionicpro verify --all"
        if others
        else "no other is kept."
    )
    rows = [(f"{h:%Y-%m-%d %H:%M}", p, c, kind, ", ".join(names)) for h, p, c, kind, names in found.differences.rows()]
    if as_json:
        for hour, prosthesis, chip, kind, names in rows:
            difference = {"hour": hour, "prosthesis_id": prosthesis, "chip_id": chip, "kind": kind, "columns": names}
            print(json.dumps(difference, ensure_ascii=False))  # noqa: T201
        print(json.dumps(_summary(hours, others, found, len(rows)), ensure_ascii=False))  # noqa: T201
    elif rows:
        table(
            "Rows that differ", ["hour (UTC)", "prosthesis", "chip", "the mart's row is", "columns"], rows[:ROWS_SHOWN]
        )
    if found.is_same:
        if not as_json:
            console.print(f"{describe(hours)}: the mart's {found.rows_found} rows are what the sources give.")
            for words in found.unknown:
                console.print(f"Not looked at: {words}")
            console.print(looked)
        return
    said = [
        f"{len(rows)} rows differ in {len(found.differing_hours)} of {describe(hours)}: the sources give "
        f"{found.rows_expected} rows, the mart has {found.rows_found}.",
        *found.faults,
        *(f"Not looked at: {words}" for words in found.unknown),
    ]
    if found.never_loaded:
        said.append(f"Never loaded: {describe(found.never_loaded)}.")
    said += ["To load hours again: bionicpro materialize --from … --to …", looked]
    raise AnswerError("\n".join(said))


def _of_part(settings: Settings, clickhouse: ClickHouse, hours: Sequence[datetime], *, whole: bool) -> Verification:
    try:
        return verify(
            crm_of(settings),
            telemetry_of(settings),
            clickhouse,
            MART_NAME,
            hours,
            report_timezone=settings.report_timezone,
            rolled_up_here=settings.rollup == "platform",
        )
    except DataError as error:
        if not whole:
            raise
        # One day that can't be compared doesn't keep the others from it.
        return replace(Verification.nothing(), faults=[str(error)])


def _summary(hours: Sequence[datetime], others: int, found: Verification, differing: int) -> dict[str, Any]:
    """The last object for scripts, which is there also when all is well."""
    return {
        "same": found.is_same,
        "first_hour": hours[0].isoformat(),
        "last_hour": hours[-1].isoformat(),
        "hours": len(hours),
        "hours_not_looked_at": others,
        "rows_expected": found.rows_expected,
        "rows_found": found.rows_found,
        "differing_rows": differing,
        "differing_hours": [hour.isoformat() for hour in found.differing_hours],
        "never_loaded": [hour.isoformat() for hour in found.never_loaded],
        "faults": list(found.faults),
        "unknown": list(found.unknown),
    }
