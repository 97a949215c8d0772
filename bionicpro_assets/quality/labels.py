"""Whether the local dates and hours of the mart's rows are those of the report time zone, as it is set now."""

from collections.abc import Sequence
from datetime import datetime

from bionicpro_assets.hours import describe_ranges
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.quality.claims import MART, Claim
from bionicpro_assets.quality.evaluate import evaluate

# At either end: rows of another zone are all those that were loaded before it was changed.
HOURS_LOOKED_AT = 24


def other_zone(clickhouse: ClickHouse, hours: Sequence[datetime], zone: str) -> str | None:
    """A sentence on rows that have the date and hour of another zone; None if there are none.

    The first and the last of the hours are looked at. A check looks at every hour when it is loaded, by the zone of
    that time.

    Raises:
        ClickHouseError: ClickHouse can't be read.
    """
    claim = Claim(MART, "report_hour_is_local", "", parameters={"zone": zone})
    found = set()
    for part in (hours[:HOURS_LOOKED_AT], hours[-HOURS_LOOKED_AT:]):
        if part:
            (verdict,) = evaluate(clickhouse, [claim], part)
            found |= set(verdict.failing)
    if not found:
        return None
    return (
        f"Rows of {describe_ranges(sorted(found))} have the date and hour of another time zone than {zone}, which "
        "BIONICPRO_REPORT_TIMEZONE names now. Set it back, or load the hours again from the first one on: bionicpro "
        f"materialize --from {min(found):%Y-%m-%dT%H:%M}"
    )
