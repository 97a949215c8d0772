"""Verification: the mart of some hours against the sources as they are now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

import polars as pl

from bionicpro_assets.errors import PublicationError
from bionicpro_assets.extract.postgres import PostgresSource
from bionicpro_assets.extract.telemetry import extract_hourly_telemetry
from bionicpro_assets.hours import HOUR
from bionicpro_assets.load.checksum import STAMP, Checksums, checksums
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.fit import fit
from bionicpro_assets.load.parity import check_parity
from bionicpro_assets.load.table import HourlyTable
from bionicpro_assets.quality.source_claims import ROLLED_UP, is_known, raw_verdicts
from bionicpro_assets.steps.crm import extract_crm_hours
from bionicpro_assets.transform.join import join_telemetry_with_customers

KEY = ["hour_start", "prosthesis_id", "chip_id"]


@dataclass(frozen=True, slots=True)
class Verification:
    """What a verification found.

    Attributes:
        rows_expected: Rows that the sources give for the hours.
        rows_found: Rows that the mart has for them.
        never_loaded: Hours that were never published.
        differing_hours: Hours whose count or checksum differs.
        differences: One row per differing row: `hour_start`, `prosthesis_id`, `chip_id`, `kind` (`missing` in the
            mart, `surplus` there, or `changed`) and `columns`, the names of the columns that differ.
        faults: What else is wrong, in words: readers get other rows than the mart has, or the roll-up isn't that of the
            raw rows.
        unknown: What couldn't be looked at, in words.
    """

    rows_expected: int
    rows_found: int
    never_loaded: Sequence[datetime]
    differing_hours: Sequence[datetime]
    differences: pl.DataFrame
    faults: Sequence[str] = ()
    unknown: Sequence[str] = ()

    @classmethod
    def nothing(cls) -> Self:
        """Nothing was looked at."""
        keys = {"hour_start": pl.Datetime("us", "UTC"), "prosthesis_id": pl.UInt32(), "chip_id": pl.String()}
        return cls(0, 0, [], [], pl.DataFrame(schema=keys | {"kind": pl.String(), "columns": pl.List(pl.String)}))

    def joined(self, other: "Verification") -> "Verification":
        """What both found, of other hours each."""
        return Verification(
            self.rows_expected + other.rows_expected,
            self.rows_found + other.rows_found,
            [*self.never_loaded, *other.never_loaded],
            [*self.differing_hours, *other.differing_hours],
            pl.concat([self.differences, other.differences], how="vertical_relaxed"),
            [*self.faults, *other.faults],
            list(dict.fromkeys([*self.unknown, *other.unknown])),
        )

    @property
    def is_same(self) -> bool:
        """Whether the mart is what the sources give, as far as it could be looked at."""
        return not (self.differing_hours or self.never_loaded or self.faults)


def verify(
    crm: PostgresSource,
    telemetry: PostgresSource,
    clickhouse: ClickHouse,
    name: str,
    hours: Sequence[datetime],
    *,
    report_timezone: str,
    rolled_up_here: bool = False,
) -> Verification:
    """Read the sources again, join, and compare with what the mart shows; `etl_processed_at` doesn't count.

    What the mart has is read from its storage by the numbers of the publications, since its public view has no UTC
    hour; that readers of the view get the same is compared by itself.

    Args:
        crm: The CRM's database.
        telemetry: The telemetry's.
        clickhouse: Where the mart is.
        name: The mart's name.
        hours: UTC hours that follow one another.
        report_timezone: The zone of `report_date` and `report_hour`.
        rolled_up_here: Whether this platform rolls up: then the raw rows are the source, and the roll-up is compared
            with them as the check of the runs does.

    Raises:
        SourceError: A source can't be read.
        ClickHouseError: ClickHouse can't be read.
        DataError: What the sources give can't be published as it is, or the mart lacks rows it published.
    """
    joined = join_telemetry_with_customers(
        extract_crm_hours(crm, clickhouse, hours).rows,
        extract_hourly_telemetry(telemetry, hours).rows,
        report_timezone=report_timezone,
        processed_at=datetime.now(UTC),
    )
    table = HourlyTable.of(clickhouse, name)
    expected = fit(joined.rows, table.columns, name)
    current = table.current(clickhouse, min(hours), max(hours) + HOUR)
    loaded = [hour for hour in hours if hour in current]
    found = table.load(clickhouse, loaded).rows if loaded else expected.clear()
    wanted, present = checksums(expected, table.summed_columns), checksums(found, table.summed_columns)
    differing = [hour for hour in hours if _content(wanted.get(hour)) != _content(present.get(hour))]
    there = pl.col("hour_start").is_in(differing)
    roll_up = [v for v in raw_verdicts(telemetry, hours) if v.claim.name == ROLLED_UP] if rolled_up_here else []
    return Verification(
        expected.height,
        found.height,
        [hour for hour in hours if hour not in current],
        differing,
        compare(expected.filter(there), found.filter(there)),
        [*_unlike_published(clickhouse, table, loaded), *(str(v) for v in roll_up if not v.passed and is_known(v))],
        [str(v) for v in roll_up if not is_known(v)],
    )


def _content(found: Checksums | None) -> tuple[int, int]:
    return (found.row_count, found.content) if found else (0, 0)


def _unlike_published(clickhouse: ClickHouse, table: HourlyTable, hours: Sequence[datetime]) -> list[str]:
    """What readers of the public name get else than was published for the hours."""
    if not hours:
        return []
    try:
        check_parity(clickhouse, table, hours)
    except PublicationError as error:
        return [str(error)]
    return []


def compare(expected: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """The rows in which two frames of the mart's columns differ; see `Verification.differences`."""
    values = [c for c in expected.columns if c not in (*KEY, STAMP)]
    both = expected.join(found, on=KEY, how="inner", suffix="_found")
    named = pl.concat_list(
        pl.when(pl.col(c).ne_missing(pl.col(f"{c}_found"))).then(pl.lit(c)).otherwise(pl.lit(None)) for c in values
    ).list.drop_nulls()
    changed = both.select(*KEY, pl.lit("changed").alias("kind"), named.alias("columns")).filter(
        pl.col("columns").list.len() > 0
    )
    nothing = pl.lit([], dtype=pl.List(pl.String)).alias("columns")
    missing = expected.join(found, on=KEY, how="anti").select(*KEY, pl.lit("missing").alias("kind"), nothing)
    surplus = found.join(expected, on=KEY, how="anti").select(*KEY, pl.lit("surplus").alias("kind"), nothing)
    return pl.concat([missing, surplus, changed]).sort(KEY)
