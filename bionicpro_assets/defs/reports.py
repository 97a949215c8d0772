"""The mart: telemetry joined with the people who wear the prostheses; and the quarantine, what can't be joined."""

from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import polars as pl

from bionicpro_assets.defs import keys
from bionicpro_assets.defs.hourly import Hourly, clear_failure, hours_of
from bionicpro_assets.defs.metadata import REJECTED_CHIPS, SOURCE_READ_AT, add_per_hour, column_lineage
from bionicpro_assets.defs.resources import ClickHouseResource
from bionicpro_assets.frames import HourlyFrame, HourlyStream
from bionicpro_assets.hours import in_parts
from bionicpro_assets.load.quarantine import with_first_rejected
from bionicpro_assets.load.table import Published
from bionicpro_assets.transform.join import (
    CRM_COLUMNS,
    FROM_CRM,
    NUMBERS,
    UNKNOWN_CHIP,
    Joined,
    join_telemetry_with_customers,
)

LINEAGE = {
    **{column: [(keys.CRM_EXTRACT, source)] for column, source in FROM_CRM.items()},
    **{column: [(keys.TELEMETRY_EXTRACT, column)] for column in NUMBERS},
    "prosthesis_id": [(keys.CRM_EXTRACT, "prosthesis_id")],
    "chip_id": [(keys.TELEMETRY_EXTRACT, "chip_id"), (keys.CRM_EXTRACT, "chip_id")],
    "report_date": [(keys.TELEMETRY_EXTRACT, "hour_start")],
    "report_hour": [(keys.TELEMETRY_EXTRACT, "hour_start")],
    "source_updated_at": [(keys.TELEMETRY_EXTRACT, "updated_at")],
}
REJECTED_LINEAGE = {column: [(keys.TELEMETRY_EXTRACT, column)] for column in ["hour_start", "chip_id", *NUMBERS]} | {
    "reason": [(keys.TELEMETRY_EXTRACT, "chip_id"), (keys.CRM_EXTRACT, "chip_id"), (keys.CRM_EXTRACT, "ownership")]
}
MART_DESCRIPTION = """What every prosthesis did in every hour, with the patient who wore it: the table all reports read.

One row per prosthesis and hour: movements and how many succeeded, response times, battery, temperature, errors and
warnings, beside the patient's name and the model. A measurement that didn't happen in the hour is 0. Hours are in the
report time zone. Telemetry that can't be attributed, or whose values are impossible, isn't here: it is in
`quarantine/rejected_telemetry`, with the reason. Rows are kept for 365 days.

Stands for the Airflow tasks `transform_and_join` and, with the ClickHouse IO manager, `load_to_clickhouse`."""
QUARANTINE_DESCRIPTION = """Telemetry that isn't in the reports, and why: one row per chip and hour.

Either nobody is known to have worn the chip in the hour, or a value is impossible (more successful movements than
movements, a percentage above 100, and the like). Nothing has to be done here: when the cause is gone, because the CRM
has learnt the chip or the source was corrected, the hour is loaded again and the row moves to the reports by itself."""
SAMPLE = 20
# Chips of one hour that its materialisation names; the sensor of late hours asks the CRM for them.
CHIPS_NAMED = 1000
# How many parts of a window may be kept in memory between writing the quarantine and the mart: more of a refresh, which
# comes every quarter of an hour, than of a backfill. An hour of a large fleet is a part, however many rows it has: as
# many hours as a refresh has by default are kept of any fleet.
PARTS_KEPT, PARTS_OF_A_DAY_KEPT = 3, 10
HOURS_OF_A_DAY, HOURS_OF_A_REFRESH = 24, 4


def mart(hourly: Hourly, report_timezone: str, chunk_rows: int) -> dg.AssetsDefinition:
    """The mart that all reports read, and the quarantine beside it: one join makes both, `chunk_rows` rows at once."""

    def out(
        key: dg.AssetKey, description: str, metadata: Mapping[str, Any], freshness: dg.FreshnessPolicy | None
    ) -> dg.AssetOut:
        return dg.AssetOut(
            key=key,
            description=description,
            io_manager_key=keys.CLICKHOUSE_IO_MANAGER,
            group_name="reports",
            owners=["team:reports"],
            kinds={"polars", "clickhouse"},
            tags={"airflow_task": "transform_and_join"},
            metadata={"dagster/table_name": keys.table_name(key), **metadata},
            freshness_policy=freshness,
        )

    @hourly.multi_asset(
        name="transform_and_join",
        ins={
            "crm": dg.AssetIn(key=keys.CRM_EXTRACT, metadata={"columns": CRM_COLUMNS}),
            "telemetry": dg.AssetIn(key=keys.TELEMETRY_EXTRACT),
        },
        outs={
            "rejected_telemetry": out(
                keys.QUARANTINE, QUARANTINE_DESCRIPTION, column_lineage(REJECTED_LINEAGE), freshness=None
            ),
            "user_prosthesis_stats": out(
                keys.MART,
                MART_DESCRIPTION,
                {"report_timezone": report_timezone, **column_lineage(LINEAGE)},
                hourly.freshness,
            ),
        },
    )
    def transform_and_join(
        context: dg.AssetExecutionContext,
        crm: Published,
        telemetry: Published,
        bionicpro_clickhouse: ClickHouseResource,
    ) -> Iterator[dg.Output[HourlyStream]]:
        now = datetime.now(UTC)
        with clear_failure():
            hours = hours_of(context)
            rows = {hour: crm.row_counts[hour] + telemetry.row_counts[hour] for hour in hours}
            parts = in_parts(hours, rows, chunk_rows)
        # Both tables come from one join; of a long window, keeping it between the two costs more than joining twice.
        most_kept = PARTS_OF_A_DAY_KEPT if len(hours) <= HOURS_OF_A_DAY else PARTS_KEPT
        keep = len(hours) <= HOURS_OF_A_REFRESH or sum(telemetry.row_counts.values()) <= most_kept * chunk_rows
        kept: dict[datetime, Joined] = {}

        def joined(part: list[datetime]) -> Joined:
            if part[0] in kept:
                return kept[part[0]]
            made = join_telemetry_with_customers(
                crm.load(part).rows, telemetry.load(part).rows, report_timezone=report_timezone, processed_at=now
            )
            if keep:
                kept[part[0]] = made
            return made

        def read_at(part: list[datetime]) -> dict[datetime, datetime]:
            return {hour: telemetry.read_at[hour] for hour in part}

        def rejected() -> Generator[HourlyFrame]:
            reasons: Counter[str] = Counter()
            for part in parts:
                found = joined(part).rejected
                found = with_first_rejected(bionicpro_clickhouse.clickhouse, found, part, now=now)
                frame = HourlyFrame(found, read_at(part))
                add_per_hour(context, frame, keys.QUARANTINE, {REJECTED_CHIPS: _chips(frame)})
                reasons.update(dict(found.group_by("reason").len().iter_rows()))
                yield frame
                del found, frame
            _tell_reasons(context, reasons)

        def attributed() -> Generator[HourlyFrame]:
            total = 0
            for part in parts:
                made = joined(part)
                frame = HourlyFrame(made.rows, read_at(part))
                assumed = {hour: made.assumed.get(hour, 0) for hour in part}
                # The window's instant is the newest of its hours; each hour has its own.
                instants = {hour: dg.MetadataValue.timestamp(at) for hour, at in frame.read_at.items()}
                add_per_hour(
                    context,
                    frame,
                    keys.MART,
                    {
                        "assumed_rows_of_hour": assumed,
                        "unmatched_percent_of_hour": _unmatched(made, part),
                        SOURCE_READ_AT: instants,
                    },
                )
                total += sum(assumed.values())
                yield frame
                del made, frame
            context.add_asset_metadata({"assumed_rows": total}, asset_key=keys.MART)

        with clear_failure():
            # First what is kept aside: at no moment a row is in neither of the two for good.
            set_aside = HourlyStream.begin(hours, rejected)
        yield dg.Output(set_aside, "rejected_telemetry")
        with clear_failure():
            frames = HourlyStream.begin(hours, attributed)
        yield dg.Output(frames, "user_prosthesis_stats")

    return transform_and_join


def _unmatched(made: Joined, hours: Sequence[datetime]) -> dict[datetime, float]:
    """How many percent of the telemetry found no wearer, hour by hour."""
    of_mart, alone = (
        dict(rows.group_by("hour_start").len().iter_rows())
        for rows in (made.rows, made.rejected.filter(pl.col("no_wearer") == 1))
    )
    return {
        hour: round(100 * alone.get(hour, 0) / max(alone.get(hour, 0) + of_mart.get(hour, 0), 1), 2) for hour in hours
    }


def _chips(frame: HourlyFrame) -> dict[datetime, list[str]]:
    """The chips without a wearer, hour by hour.

    Of too many, first those that the CRM doesn't know: it may get to know them. A large fleet has thousands that it has
    stopped naming and that go on sending, and by their names alone these would always come before the new ones.
    """
    unknown = pl.col("reason").str.starts_with(UNKNOWN_CHIP)
    named = (
        frame.rows.filter(pl.col("no_wearer") == 1)
        .select("hour_start", "chip_id", unknown=unknown)
        .sort("unknown", "chip_id", descending=[True, False])
        .group_by("hour_start", maintain_order=True)
        .head(CHIPS_NAMED)
        .group_by("hour_start")
        .agg(pl.col("chip_id").sort())
    )
    chips = dict(named.iter_rows())
    return {hour: chips.get(hour, []) for hour in frame.hours}


def _tell_reasons(context: dg.AssetExecutionContext, reasons: Counter[str]) -> None:
    """Count the rows set aside, by reason, in the metadata and the log."""
    most = dict(reasons.most_common(SAMPLE))
    context.add_asset_metadata({"reasons": most}, asset_key=keys.QUARANTINE)
    context.add_asset_metadata({"rejected_rows": reasons.total()}, asset_key=keys.MART)
    if most:
        why = "; ".join(f"{count} because {reason}" for reason, count in most.items())
        context.log.warning(
            f"{reasons.total()} rows of telemetry are set aside in {keys.table_name(keys.QUARANTINE)}, and aren't in "
            f"the reports: {why}"
        )
