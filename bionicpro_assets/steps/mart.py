"""The mart and the quarantine: telemetry joined with the people who wear the prostheses, and what can't be joined."""

from collections.abc import Generator, Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from bionicpro_assets import __version__
from bionicpro_assets.frames import HourlyFrame, HourlyLoad, Part, Visible
from bionicpro_assets.hours import in_parts
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.quarantine import QUARANTINE, with_first_rejected
from bionicpro_assets.load.table import Entry, HourlyTable, Published
from bionicpro_assets.load.unchanged import unchanged_hours
from bionicpro_assets.steps.crm import CRM_EXTRACT
from bionicpro_assets.steps.telemetry import TELEMETRY
from bionicpro_assets.transform.join import UNKNOWN_CHIP, Joined, join_telemetry_with_customers
from bionicpro_assets.transform.validate import LONGEST_CHIP

MART = "reports.user_prosthesis_stats"
# What is said of an hour of the quarantine: chips without a wearer, and rows by the reason they are there for.
REJECTED_CHIPS, REASONS = "rejected_chips", "reasons"
# Chips of one hour that are named; the sensor of late hours asks the CRM for them.
CHIPS_NAMED = 1000


def mart_load(
    clickhouse: ClickHouse,
    crm: Published,
    telemetry: Published,
    hours: Sequence[datetime],
    *,
    report_timezone: str,
    chunk_rows: int,
    now: datetime,
    afresh: bool = False,
) -> HourlyLoad:
    """The mart and the quarantine of some hours: one join makes both, `chunk_rows` rows at a time.

    Hours that were made of the same publications of both extracts are neither read nor joined.

    Args:
        clickhouse: Where both are.
        crm: The CRM extract of the hours.
        telemetry: The telemetry of the hours.
        hours: UTC hours.
        report_timezone: IANA zone that `report_date` and `report_hour` are in.
        chunk_rows: Rows of both extracts that are read at a time, if they are of more than one hour.
        now: The `etl_processed_at` of all rows.
        afresh: The stored rows are doubted: all hours are joined.

    Raises:
        DataError: A chip has two wearers in an hour, or two rows of telemetry. When the parts are read.
    """
    made_of = {
        hour: f"{crm.entries[hour].number} {telemetry.entries[hour].number} {report_timezone} {__version__}"
        for hour in hours
    }

    def parts(current: Visible) -> Generator[Part]:
        same = [] if afresh else unchanged_hours(clickhouse, current, made_of, telemetry.read_at)

        def frame(
            name: str, rows: pl.DataFrame, covered: Sequence[datetime], facts: Mapping[datetime, Mapping[str, Any]]
        ) -> HourlyFrame:
            return HourlyFrame(
                rows,
                {hour: telemetry.read_at[hour] for hour in covered},
                {hour: current[name][hour] for hour in covered if hour in same},
                {hour: made_of[hour] for hour in covered},
                facts,
                {CRM_EXTRACT: _of(crm, covered), TELEMETRY: _of(telemetry, covered)},
            )

        if same:
            yield {name: frame(name, HourlyTable.of(clickhouse, name).no_rows(), same, {}) for name in current}
        read = [hour for hour in hours if hour not in same]
        rows = {hour: crm.row_counts[hour] + telemetry.row_counts[hour] for hour in read}
        for part in in_parts(read, rows, chunk_rows):
            joined = join_telemetry_with_customers(
                crm.load(part).rows, telemetry.load(part).rows, report_timezone=report_timezone, processed_at=now
            )
            rejected = with_first_rejected(clickhouse, joined.rejected, current[QUARANTINE], part, now=now)
            yield {
                QUARANTINE: frame(QUARANTINE, rejected, part, of_quarantine(rejected, part)),
                MART: frame(MART, joined.rows, part, of_mart(joined, part)),
            }
            del joined, rejected

    return HourlyLoad([QUARANTINE, MART], hours, parts, chunk_rows)


def _of(published: Published, hours: Sequence[datetime]) -> dict[datetime, Entry]:
    return {hour: published.entries[hour] for hour in hours}


def of_mart(joined: Joined, hours: Sequence[datetime]) -> dict[datetime, dict[str, Any]]:
    """What is said of hours of the mart: rows with an assumed wearer, and how much of the telemetry found none."""
    of_mart, alone = (
        dict(rows.group_by("hour_start").len().iter_rows())
        for rows in (joined.rows, joined.rejected.filter(pl.col("no_wearer") == 1))
    )
    aside = dict(joined.rejected.group_by("hour_start").len().iter_rows())
    total = {hour: alone.get(hour, 0) + of_mart.get(hour, 0) for hour in hours}
    return {
        hour: {
            "assumed_rows_of_hour": joined.assumed.get(hour, 0),
            "unmatched_percent_of_hour": round(100 * alone.get(hour, 0) / max(total[hour], 1), 2),
            "rejected_rows": aside.get(hour, 0),
        }
        for hour in hours
    }


def of_quarantine(rejected: pl.DataFrame, hours: Sequence[datetime]) -> dict[datetime, dict[str, Any]]:
    """What is said of hours of the quarantine: their chips without a wearer, and rows by reason.

    Of too many chips, first those that the CRM doesn't know: it may get to know them. A large fleet has thousands that
    it has stopped naming and that go on sending, and by their names alone these would always come before the new ones.
    """
    unknown = pl.col("reason").str.starts_with(UNKNOWN_CHIP)
    askable = (pl.col("no_wearer") == 1) & (pl.col("chip_id").str.len_chars() <= LONGEST_CHIP)
    named = (
        rejected.filter(askable)
        .select("hour_start", "chip_id", unknown=unknown)
        .unique()
        .sort("unknown", "chip_id", descending=[True, False])
        .group_by("hour_start", maintain_order=True)
        .head(CHIPS_NAMED)
        .group_by("hour_start")
        .agg(pl.col("chip_id").sort())
    )
    chips = dict(named.iter_rows())
    facts: dict[datetime, dict[str, Any]] = {hour: {REJECTED_CHIPS: chips.get(hour, [])} for hour in hours}
    for hour, reason, count in rejected.group_by("hour_start", "reason").len().sort("reason").iter_rows():
        facts[hour].setdefault(REASONS, {})[reason] = count
    return facts
