"""The CRM extract: who wore which prosthesis, by what the CRM says now and by what earlier extracts know."""

from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import polars as pl

from bionicpro_assets.extract.contract import CUSTOMER_PROSTHESIS
from bionicpro_assets.extract.crm import crm_answer, crm_state
from bionicpro_assets.extract.postgres import PostgresSource
from bionicpro_assets.frames import HourlyFrame, HourlyLoad, Part, Visible
from bionicpro_assets.hours import HOUR, in_parts
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.publish import with_consulted
from bionicpro_assets.load.table import HourlyTable, hour_of, seconds_of
from bionicpro_assets.load.unchanged import unchanged_hours
from bionicpro_assets.sqlfiles import sql
from bionicpro_assets.transform.crm_history import CLAIM, CrmAnswer, Remembered, attribute, known_timelines, state
from bionicpro_assets.transform.join import CRM_COLUMNS
from bionicpro_assets.transform.ownership import ASSUMED, CLAIMS, CONTESTED, ENDED, STATED

CRM_EXTRACT = "staging.crm_customer_prosthesis"
# Chips in one query: a query over HTTP carries its parameters in the URL.
CHIPS_PER_QUERY = 500
COUNTED = (ASSUMED, STATED, ENDED, CONTESTED)
AT_HOURS = "hour_start IN (SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC'))"
# The newest row of every wearer that some chips had.
NEWEST_OF_CHIPS = f"""{AT_HOURS} AND chip_id IN {{chips:Array(String)}}
    ORDER BY hour_start DESC LIMIT 1 BY {", ".join(CLAIM)}"""


def crm_load(
    source: PostgresSource,
    clickhouse: ClickHouse,
    hours: Sequence[datetime],
    *,
    chunk_rows: int,
    as_of_now: bool = False,
    chips: Collection[str] = (),
    afresh: bool = False,
) -> HourlyLoad:
    """The CRM extract of the hours, about `chunk_rows` rows at a time, all of one answer of the CRM.

    Where the CRM's state is what it was, and nothing was published of these hours and of those around them since, the
    CRM's rows aren't read.

    Args:
        source: The CRM.
        clickhouse: Where earlier extracts are.
        hours: UTC hours.
        chunk_rows: Rows of one part, if it is more than one hour.
        as_of_now: An operator states that the wearers the CRM names now hold for these hours, whatever was said before.
        chips: With `as_of_now`, the chips it is about; all that the CRM names, if there are none.
        afresh: The stored rows are doubted: the CRM is read, whatever its state says.

    Raises:
        SourceError: The CRM can't be read, or its view isn't what the data contract says. When the parts are read.
        ClickHouseError: ClickHouse can't be read.
        DataError: Earlier extracts changed while they were read, or the CRM doesn't name one of `chips` once.
    """
    table = HourlyTable.of(clickhouse, CRM_EXTRACT)

    def parts(visible: Visible) -> Generator[Part]:
        # Noted before the CRM is asked and anything is remembered: what another run publishes from here on, an
        # operator's correction above all, isn't known to the rows below, and would be hidden by them.
        current, consulted = visible[CRM_EXTRACT], known_publications(clickhouse, hours)
        with source.snapshot() as snapshot:
            CUSTOMER_PROSTHESIS.check(snapshot)
            read_at, made_of = snapshot.read_at, crm_state(snapshot)
            same = []
            if not (as_of_now or afresh):
                made = dict.fromkeys(hours, with_consulted(made_of, consulted))
                same = unchanged_hours(clickhouse, visible, made, dict.fromkeys(hours, read_at))
            answer = crm_answer(snapshot) if len(same) < len(hours) else None

        def part(frame: HourlyFrame, facts: Mapping[datetime, Mapping[str, int]]) -> Part:
            made = dict.fromkeys(frame.read_at, made_of)
            return {CRM_EXTRACT: replace(frame, made_of=made, facts=facts, consulted=consulted)}

        if same:
            confirmed = {hour: current[hour] for hour in same}
            yield part(HourlyFrame(table.no_rows(), dict.fromkeys(same, read_at), confirmed), {})
        if answer is not None:
            changed = [hour for hour in hours if hour not in same]
            stated = any(entry.facts.get(f"{STATED}_rows", 1) for entry in current.values())
            for frame in attributed(
                clickhouse, answer, changed, consulted, chunk_rows, as_of_now=as_of_now, chips=chips, stated=stated
            ):
                yield part(frame, counted(frame))
                del frame

    return HourlyLoad([CRM_EXTRACT], hours, parts, chunk_rows, CRM_COLUMNS, insists=as_of_now)


def extract_crm_hours(source: PostgresSource, clickhouse: ClickHouse, hours: Sequence[datetime]) -> HourlyFrame:
    """The CRM extract of the hours as it would be made now, in one frame.

    Raises:
        SourceError, ClickHouseError, DataError: As above.
    """
    consulted = known_publications(clickhouse, hours)
    with source.snapshot() as snapshot:
        CUSTOMER_PROSTHESIS.check(snapshot)
        answer = crm_answer(snapshot)
    (frame,) = attributed(clickhouse, answer, hours, consulted)
    return frame


def known_publications(clickhouse: ClickHouse, hours: Sequence[datetime]) -> dict[datetime, int]:
    """What an extract of the hours is made with: the publications of them and of the nearest hours before and after."""
    window = {"since": seconds_of(min(hours)), "until": seconds_of(max(hours) + HOUR)}
    _, found = clickhouse.rows(sql("clickhouse/queries/crm_known_publications.sql"), window)
    return {hour_of(seconds): number for seconds, number in found}


def attributed(
    clickhouse: ClickHouse,
    answer: CrmAnswer,
    hours: Sequence[datetime],
    known_hours: Collection[datetime],
    chunk_rows: int | None = None,
    *,
    as_of_now: bool = False,
    chips: Collection[str] = (),
    stated: bool = True,
) -> Iterator[HourlyFrame]:
    """The extract of the hours in parts, of an answer of the CRM and of what the extracts of `known_hours` know.

    `stated` is whether an operator may have stated wearers of the hours.
    """
    known = _claimed(clickhouse, answer, list(known_hours))
    intervals = known_timelines(answer, known)
    # A row is twice as wide as one of the other tables.
    rows = dict.fromkeys(hours, 2 * max(answer.rows.height, known.claims.height))
    for part in [list(hours)] if chunk_rows is None else in_parts(hours, rows, chunk_rows):
        there = replace(known, stated=_stated(clickhouse, part)) if stated else known
        if as_of_now:
            yield state(answer, there, part, chips, intervals)
        else:
            yield attribute(answer, there, part, intervals)


def remembered(clickhouse: ClickHouse, answer: CrmAnswer, hours: Sequence[datetime]) -> Remembered:
    """What the extracts of the hours, and of the nearest published hours before and after them, know."""
    known = _claimed(clickhouse, answer, list(known_publications(clickhouse, hours)))
    return replace(known, stated=_stated(clickhouse, hours))


def counted(frame: HourlyFrame) -> dict[datetime, dict[str, int]]:
    """How many rows of each hour aren't simply named by the CRM, by what they are."""
    kinds = frame.rows.filter(pl.col("ownership").is_in(COUNTED)).group_by("hour_start", "ownership").len()
    found = {(hour, kind): count for hour, kind, count in kinds.iter_rows()}
    return {hour: {f"{kind}_rows": found.get((hour, kind), 0) for kind in COUNTED} for hour in frame.hours}


def _stated(clickhouse: ClickHouse, hours: Sequence[datetime]) -> pl.DataFrame:
    """What an operator stated of the hours."""
    table = HourlyTable.of(clickhouse, CRM_EXTRACT)
    at = {"hours": [seconds_of(hour) for hour in hours]}
    return table.visible(clickhouse, f"{AT_HOURS} AND ownership = '{STATED}'", at)


def _claimed(clickhouse: ClickHouse, answer: CrmAnswer, hours: Sequence[datetime]) -> Remembered:
    """What is remembered of the hours, without what was stated."""
    table = HourlyTable.of(clickhouse, CRM_EXTRACT)
    at = {"hours": [seconds_of(hour) for hour in hours]}
    found = clickhouse.frame(sql("clickhouse/queries/crm_claims.sql"), at)
    claims = found.select(pl.col(c).cast(t) for c, t in CLAIMS.items())
    former = claims.join(answer.rows, on=CLAIM, how="anti")["chip_id"].unique().sort()
    memory = [
        table.visible(clickhouse, NEWEST_OF_CHIPS, {**at, "chips": chips["chip_id"].to_list()})
        for chips in former.to_frame().iter_slices(CHIPS_PER_QUERY)
    ]
    rows = pl.concat(memory) if memory else table.no_rows()
    return Remembered(claims, rows.select(answer.rows.columns), table.no_rows())
