"""Whose hour is it: from what the CRM said at different times, the wearer of every chip in every hour. Pure polars.

The CRM tells only today's wearer of a chip. Each of its answers proves more than its own moment, though: a record that
was last changed at `since` and is read at `seen` stood unchanged between the two. Such an interval is a claim. The
claims of all answers known, put on one time line per chip, say who wore it in an hour; docs/ownership.md has the rules
with a worked example.
"""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from bionicpro_assets.frames import HOUR_DTYPE
from bionicpro_assets.hours import HOUR

INSTANT = pl.Datetime("us", "UTC")
WEARER = ["prosthesis_id", "customer_id"]

# What an hour's row says about its wearer.
NAMED = "named"  # the CRM named this wearer in the hour
ASSUMED = "assumed"  # it didn't; the nearest answer was taken
ENDED = "ended"  # the CRM had stopped naming a wearer before the hour: nobody's
CONTESTED = "contested"  # the CRM names several prostheses for the chip: nobody's
STATED = "stated"  # an operator gave the hour the CRM's answer of the day it was loaded again
NO_CHIP = "no chip"
OVERRULED = "overruled"  # what else is known of an hour that is another's, stated or contested: only remembered
# Rows that know who wore a chip, for the hours around them too.
REMEMBERED = [NAMED, ASSUMED, ENDED, OVERRULED]
# Rows that give an hour of telemetry to somebody.
WORN = [NAMED, ASSUMED, STATED]

CLAIMS = pl.Schema(
    {
        "chip_id": pl.String(),
        "prosthesis_id": pl.Int64(),
        "customer_id": pl.Int64(),
        "since": INSTANT,
        "seen": INSTANT,
        "ended_at": INSTANT,
    }
)


def timelines(claims: pl.DataFrame, *, units: pl.DataFrame, read_at: datetime) -> pl.DataFrame:
    """The claims of every chip as intervals that don't overlap, in order.

    Claims of one wearer that overlap are one interval. A claim that reaches back over a moment at which the
    CRM named somebody else contradicts itself (its record was dated back): it counts from the moment it was seen.
    A chip that the answer read at `read_at` doesn't name ended there at the latest, or when the record of its
    prosthesis was changed, if the answer shows it without the chip. If the same record comes back unchanged, the gap
    was the view's and not the wearer's, and is closed.

    Args:
        claims: Columns as in `CLAIMS`.
        units: The prostheses that the newest answer names: `prosthesis_id`, `chip_id`, `prosthesis_updated_at`.
        read_at: When it was read.

    Returns:
        Columns as in `CLAIMS`, in no order.
    """
    by_chip = claims.group_by("chip_id").agg(
        *(pl.col(c).min() for c in [*WEARER, "since"]),
        pl.col("seen").max(),
        pl.col("ended_at").max(),
        one=pl.all_horizontal(pl.col(c).min() == pl.col(c).max() for c in WEARER)
        & (pl.col("since").max() <= pl.col("seen").min())
        & (pl.col("ended_at").count() == 0),
    )
    # Nearly every chip has one wearer, whose claims all overlap. Sorting is for the others.
    plain, rest = by_chip.filter("one"), by_chip.filter(~pl.col("one"))
    intervals = plain.select(CLAIMS.names()).with_columns(last=pl.lit(True))
    if not rest.is_empty():
        intervals = pl.concat([intervals, _in_order(claims.join(rest, on="chip_id", how="semi"))])
    return _ended(intervals, units, read_at)


def _in_order(claims: pl.DataFrame) -> pl.DataFrame:
    """The intervals of chips with several claims, and which is the `last` one of a chip."""
    before = {c: pl.col(c).shift(1).over("chip_id") for c in [*WEARER, "seen"]}
    same = pl.all_horizontal(pl.col(c) == before[c] for c in WEARER)
    same &= pl.col("since") <= before["seen"]
    ordered = claims.sort("chip_id", "seen", "since").with_columns(
        interval=(~same).fill_null(True).cum_sum(), before=before["seen"]
    )
    # When somebody else was named last. A record that reaches back over it counts from when it was seen; each by
    # itself, or one with an old date would take from the others what they prove.
    contradicted = pl.col("since") <= pl.col("before").first().over("interval")
    intervals = (
        ordered.with_columns(since=pl.when(contradicted).then("seen").otherwise("since"))
        .group_by("interval", "chip_id", *WEARER, maintain_order=True)
        .agg(
            pl.col("since").min(),
            pl.col("seen").max(),
            # An end that was found before the last naming was a gap of the view.
            pl.col("ended_at").filter(pl.col("ended_at") > pl.col("seen").max()).min(),
        )
    )
    return intervals.select(*CLAIMS.names(), last=pl.col("chip_id").shift(-1).ne_missing(pl.col("chip_id")))


def _ended(intervals: pl.DataFrame, units: pl.DataFrame, read_at: datetime) -> pl.DataFrame:
    """The intervals, with the end of those whose chip the answer doesn't name any more."""
    present = units["chip_id"].drop_nulls()
    gone = pl.col("last") & ~pl.col("chip_id").is_in(present.implode()) & (pl.col("seen") < read_at)
    intervals = intervals.with_columns(gone=gone)
    closed = intervals.filter("gone")
    changes = units.group_by("prosthesis_id").agg(changed_at=pl.col("prosthesis_updated_at").max())
    changed = pl.when(pl.col("changed_at") > pl.col("seen")).then("changed_at")
    closed = closed.join(changes, on="prosthesis_id", how="left").with_columns(
        ended_at=pl.min_horizontal("ended_at", changed, pl.lit(read_at, INSTANT))
    )
    return pl.concat([frame.select(CLAIMS.names()) for frame in (intervals.filter(~pl.col("gone")), closed)])


def wearers(intervals: pl.DataFrame, hours: Sequence[datetime]) -> pl.DataFrame:
    """Who wore which chip in each hour: a row for every chip and hour about which anything is known.

    An interval that touches the hour decides, the last one if there are several. Without one: who was named last before
    the hour, unless the CRM had stopped naming anybody by its end; where nobody ever was named before, who was named
    first after it.

    Other intervals that touch the hour are rows too, overruled: the hours before, loaded later, may have nobody else to
    ask who wore the chip until it moved.

    Returns:
        `hour_start`, `chip_id`, `prosthesis_id`, `customer_id`, `ownership`, `worn_since`, `named_at`, `ended_at`.
        The instants are cut to what matters for the hour, so that looking again later gives the same row.
    """
    begins, ends = pl.col("hour_start"), pl.col("hour_start") + HOUR
    touches = (pl.col("since") < ends) & (pl.col("seen") >= begins)
    before = pl.col("seen") < begins
    over = pl.col("ended_at").is_not_null() & (pl.col("ended_at") < ends)
    # Preference: an interval in the hour, the latest; one before, the latest; one after, the earliest.
    rank = pl.when(touches).then(0).when(before).then(1).otherwise(2)
    nearest = pl.when(touches | before).then(-pl.col("since").to_physical()).otherwise(pl.col("since").to_physical())
    candidates = (
        pl.DataFrame({"hour_start": list(hours)}, schema={"hour_start": HOUR_DTYPE})
        .join(intervals.with_columns(alone=pl.len().over("chip_id") == 1), how="cross")
        .with_columns(rank=rank, nearest=nearest)
    )
    # Nearly every chip has one interval: only for the others there is something to choose.
    several = candidates.filter(~pl.col("alone")).sort("rank", "nearest")
    first = several.with_columns(first=pl.struct("hour_start", "chip_id").is_first_distinct())
    known = pl.concat(
        [candidates.filter("alone").with_columns(first=pl.lit(True)), first.filter(pl.col("first") | touches)]
    )
    return known.select(
        "hour_start",
        "chip_id",
        *WEARER,
        ownership=pl.when(~pl.col("first"))
        .then(pl.lit(OVERRULED))
        .when(touches)
        .then(pl.lit(NAMED))
        .when(before & over)
        .then(pl.lit(ENDED))
        .otherwise(pl.lit(ASSUMED)),
        worn_since="since",
        named_at=pl.when(touches).then(pl.max_horizontal("since", begins)).when(before).then("seen").otherwise("since"),
        ended_at=pl.when(over & ~(~touches & ~before)).then("ended_at"),
    )
