"""The CRM extract of an hour: what the CRM says now, and what it said before. Pure polars."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import polars as pl

from bionicpro_assets.errors import DataError
from bionicpro_assets.frames import HOUR_DTYPE, HourlyFrame
from bionicpro_assets.hours import HOUR
from bionicpro_assets.transform.ownership import (
    CLAIMS,
    CONTESTED,
    INSTANT,
    NAMED,
    NO_CHIP,
    OVERRULED,
    STATED,
    WEARER,
    timelines,
    wearers,
)

CLAIM = ["chip_id", *WEARER]
# What is said of a person; the rest of the CRM's columns is of the prosthesis.
OF_CUSTOMER = [
    "user_id",
    "customer_full_name",
    "email",
    "region",
    "branch",
    "customer_updated_at",
]
VERDICT = ["ownership", "worn_since", "named_at", "ended_at"]
UNDATED = {c: pl.lit(None, INSTANT) for c in VERDICT[1:]}


@dataclass(frozen=True, slots=True)
class CrmAnswer:
    """What the CRM says at one instant.

    Attributes:
        rows: The rows of `crm.v_customer_prosthesis`.
        read_at: When they were read, by the CRM's clock.
    """

    rows: pl.DataFrame
    read_at: datetime


@dataclass(frozen=True, slots=True)
class Remembered:
    """What earlier extracts of these hours, and of the nearest ones before and after, know.

    Attributes:
        claims: Columns as in `ownership.CLAIMS`: who was known to wear which chip, and when.
        rows: For the claims that the CRM doesn't make any more, the newest row that was loaded of each wearer.
        stated: Rows that an operator stated, with `hour_start`; they stay as they are.
    """

    claims: pl.DataFrame
    rows: pl.DataFrame
    stated: pl.DataFrame

    @classmethod
    def nothing(cls, answer: CrmAnswer) -> Self:
        """Nothing was ever extracted."""
        rows = answer.rows.clear()
        stated = rows.with_columns(hour_start=pl.lit(None, HOUR_DTYPE), ownership=pl.lit(STATED), **UNDATED)
        return cls(CLAIMS.to_frame(), rows, stated)


def claims_of(answer: CrmAnswer) -> pl.DataFrame:
    """The claims of one answer: one for each chip that it names once. Columns as in `ownership.CLAIMS`."""
    seen = pl.lit(answer.read_at, INSTANT)
    named = answer.rows.filter(pl.col("chip_id").is_not_null() & pl.col("chip_id").is_unique())
    return named.select(
        *CLAIM,
        # A record from the future, or without a date, proves only the moment at which it was read.
        since=pl.min_horizontal(pl.col("prosthesis_updated_at").fill_null(seen), seen),
        seen=seen,
        ended_at=pl.lit(None, INSTANT),
    )


def known_timelines(answer: CrmAnswer, remembered: Remembered) -> pl.DataFrame:
    """Who wore which chip from when to when, by all claims, as `ownership.timelines` has it; the same for all hours."""
    claims = pl.concat([claims_of(answer), remembered.claims.select(CLAIMS.names())])
    return timelines(claims, units=answer.rows, read_at=answer.read_at)


def attribute(
    answer: CrmAnswer, remembered: Remembered, hours: Sequence[datetime], intervals: pl.DataFrame | None = None
) -> HourlyFrame:
    """The extract of the hours: a row for every prosthesis that the CRM names now, or is known to have named.

    A person's columns are those of now wherever the CRM still knows the person; those of a prosthesis are those of now
    if it still has the same wearer and chip.

    Args:
        answer: What the CRM says now.
        remembered: What earlier extracts know.
        hours: UTC hours.
        intervals: What `known_timelines` gives, where it was asked already.
    """
    rows = _known(answer, remembered, hours, known_timelines(answer, remembered) if intervals is None else intervals)
    rows = _overruled(rows, _contested(rows, answer, hours))
    rows = _overruled(rows, _refreshed(remembered.stated, answer.rows))
    return _extract(rows, answer, hours)


def state(
    answer: CrmAnswer,
    remembered: Remembered,
    hours: Sequence[datetime],
    chips: Collection[str] = (),
    intervals: pl.DataFrame | None = None,
) -> HourlyFrame:
    """The extract of the hours as an operator states it: the wearers that the CRM names now hold, whatever it said.

    For the chips given, or for all that the CRM names. A chip that it doesn't name keeps the wearers that are known.

    Raises:
        DataError: The CRM doesn't name one of the chips given, or names it more than once.
    """
    named = answer.rows.filter(pl.col("chip_id").is_not_null() & pl.col("chip_id").is_unique())
    if chips:
        named = named.filter(pl.col("chip_id").is_in(list(chips)))
        if lacking := sorted(set(chips) - set(named["chip_id"])):
            raise DataError(f"The CRM names no one wearer of {', '.join(lacking)}; correct it there first.")
    decided = _each_hour(hours, named).with_columns(ownership=pl.lit(STATED), **UNDATED)
    rows = attribute(answer, remembered, hours, intervals).rows.filter(pl.col("ownership") != NO_CHIP)
    return _extract(_overruled(rows, decided), answer, hours)


def _known(
    answer: CrmAnswer, remembered: Remembered, hours: Sequence[datetime], intervals: pl.DataFrame
) -> pl.DataFrame:
    """Who wore which chip in the hours; a row for every chip and hour of which anything is known."""
    now = answer.rows
    worn = wearers(intervals, hours)
    described = now.filter(pl.col("chip_id").is_not_null()).with_columns(described=pl.lit(True))
    if described["chip_id"].n_unique() < described.height:
        # A view that shows a prosthesis twice must not double its hours.
        described = described.unique(CLAIM, keep="first", maintain_order=True)
    columns = ["hour_start", *now.columns, *VERDICT]
    current = worn.join(described, on=CLAIM, how="left")
    if current["described"].null_count() == 0:
        return current.select(columns)
    former = current.filter(pl.col("described").is_null()).select(worn.columns)
    rows = former.join(remembered.rows, on=CLAIM, how="inner")
    if rows.height != former.height:
        raise DataError(
            "What earlier extracts said of some chips left ClickHouse while it was read; load these hours again.",
            retryable=True,
        )
    return pl.concat([current.filter("described").select(columns), _refreshed(rows, now).select(columns)])


def _refreshed(rows: pl.DataFrame, now: pl.DataFrame) -> pl.DataFrame:
    """The rows with the columns of the person as the CRM has them now, where it knows the person."""
    people = now.unique("customer_id", keep="any").select("customer_id", pl.struct(OF_CUSTOMER).alias("now"))
    known = pl.col("now").is_not_null()
    fresh = (pl.when(known).then(pl.col("now").struct.field(c)).otherwise(pl.col(c)).alias(c) for c in OF_CUSTOMER)
    return rows.join(people, on="customer_id", how="left").with_columns(*fresh)


def _contested(rows: pl.DataFrame, answer: CrmAnswer, hours: Sequence[datetime]) -> pl.DataFrame:
    """Rows of the chips that the CRM names more than once: where nothing better is known of the hour."""
    twice = answer.rows.filter(pl.col("chip_id").is_not_null() & pl.col("chip_id").is_duplicated())
    settled = rows.join(twice, on="chip_id", how="semi").filter(
        (pl.col("ownership") == NAMED) | (pl.col("hour_start") + HOUR <= answer.read_at)
    )
    return (
        _each_hour(hours, twice)
        .join(settled, on=["hour_start", "chip_id"], how="anti")
        .with_columns(ownership=pl.lit(CONTESTED), **UNDATED)
    )


def _overruled(rows: pl.DataFrame, better: pl.DataFrame) -> pl.DataFrame:
    """The rows and better ones. What was known of the same chip and hour stays beside them, and is only remembered.

    Otherwise an hour that was decided in another way would hide from its neighbours what it once knew.
    """
    if better.is_empty():
        return rows
    decided = better.select("hour_start", "chip_id").unique()
    mine = rows.join(decided, on=["hour_start", "chip_id"], how="semi").filter(pl.col("worn_since").is_not_null())
    others = rows.join(decided, on=["hour_start", "chip_id"], how="anti")
    return pl.concat([others, mine.with_columns(ownership=pl.lit(OVERRULED)), better.select(rows.columns)])


def _extract(rows: pl.DataFrame, answer: CrmAnswer, hours: Sequence[datetime]) -> HourlyFrame:
    """With the prostheses that have no chip, in every hour in which none is known for them."""
    unfitted = _each_hour(hours, answer.rows.filter(pl.col("chip_id").is_null()))
    fitted = rows.filter(pl.col("ownership") != OVERRULED)
    unfitted = unfitted.join(
        fitted.select("hour_start", "prosthesis_id"), on=["hour_start", "prosthesis_id"], how="anti"
    ).with_columns(ownership=pl.lit(NO_CHIP), **UNDATED)
    return HourlyFrame(pl.concat([rows, unfitted.select(rows.columns)]), dict.fromkeys(hours, answer.read_at))


def _each_hour(hours: Sequence[datetime], rows: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame({"hour_start": list(hours)}, schema={"hour_start": HOUR_DTYPE}).join(rows, how="cross")
