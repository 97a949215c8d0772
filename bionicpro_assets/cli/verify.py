"""`bionicpro verify`."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bionicpro_assets.cli.console import console, table
from bionicpro_assets.databases import clickhouse_of, crm_of, telemetry_of
from bionicpro_assets.defs.keys import MART, table_name
from bionicpro_assets.errors import AnswerError
from bionicpro_assets.hours import HOUR, describe, floor_hour
from bionicpro_assets.period import period
from bionicpro_assets.settings import Settings
from bionicpro_assets.setup.embedded import sources_running
from bionicpro_assets.verify import Verification, verify

ROWS_SHOWN = 20


def run_verify(first: str | None, last: str | None, now: datetime, *, as_json: bool) -> None:
    """Compare the mart with the sources; by default the closed hours of the lookback.

    Raises:
        AnswerError: They differ.
        PlatformError: They can't be compared.
    """
    settings = Settings.load()
    hours = period(settings, first, last, now, newest=floor_hour(now) - HOUR)
    with (
        sources_running(settings),
        clickhouse_of(settings) as clickhouse,
    ):
        found = verify(
            crm_of(settings),
            telemetry_of(settings),
            clickhouse,
            table_name(MART),
            hours,
            report_timezone=settings.report_timezone,
            rolled_up_here=settings.rollup == "platform",
        )
    rows = [(f"{h:%Y-%m-%d %H:%M}", p, c, kind, ", ".join(names)) for h, p, c, kind, names in found.differences.rows()]
    if as_json:
        for hour, prosthesis, chip, kind, names in rows:
            difference = {"hour": hour, "prosthesis_id": prosthesis, "chip_id": chip, "kind": kind, "columns": names}
            print(json.dumps(difference, ensure_ascii=False))  # noqa: T201
        print(json.dumps(_summary(hours, found, len(rows)), ensure_ascii=False))  # noqa: T201
    elif rows:
        table(
            "Rows that differ", ["hour (UTC)", "prosthesis", "chip", "the mart's row is", "columns"], rows[:ROWS_SHOWN]
        )
    if found.is_same:
        if not as_json:
            console.print(f"{describe(hours)}: the mart's {found.rows_found} rows are what the sources give.")
            for words in found.unknown:
                console.print(f"Not looked at: {words}")
        return
    said = [
        f"{len(rows)} rows differ in {len(found.differing_hours)} of {describe(hours)}: the sources give "
        f"{found.rows_expected} rows, the mart has {found.rows_found}.",
        *found.faults,
        *(f"Not looked at: {words}" for words in found.unknown),
    ]
    if found.never_loaded:
        said.append(f"Never loaded: {describe(found.never_loaded)}.")
    said.append("To load hours again: bionicpro materialize --from … --to …")
    raise AnswerError("\n".join(said))


def _summary(hours: Sequence[datetime], found: Verification, differing: int) -> dict[str, Any]:
    """The last object for scripts, which is there also when all is well."""
    return {
        "same": found.is_same,
        "first_hour": hours[0].isoformat(),
        "last_hour": hours[-1].isoformat(),
        "hours": len(hours),
        "rows_expected": found.rows_expected,
        "rows_found": found.rows_found,
        "differing_rows": differing,
        "differing_hours": [hour.isoformat() for hour in found.differing_hours],
        "never_loaded": [hour.isoformat() for hour in found.never_loaded],
        "faults": list(found.faults),
        "unknown": list(found.unknown),
    }
