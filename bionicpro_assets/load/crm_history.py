"""The CRM extract of some hours, made of the CRM's answer of now and of what earlier extracts know."""

from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import polars as pl

from bionicpro_assets.errors import DataError
from bionicpro_assets.extract.crm import extract_crm
from bionicpro_assets.extract.postgres import PostgresSource
from bionicpro_assets.frames import HourlyFrame
from bionicpro_assets.hours import HOUR, describe, in_parts
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.table import HourlyTable
from bionicpro_assets.sqlfiles import sql
from bionicpro_assets.transform.crm_history import CLAIM, CrmAnswer, Remembered, attribute, known_timelines, state
from bionicpro_assets.transform.ownership import CLAIMS, STATED

CRM_EXTRACT = "staging.crm_customer_prosthesis"
# Chips in one query: a query over HTTP carries its parameters in the URL.
CHIPS_PER_QUERY = 500
AT_HOURS = "hour_start IN (SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC'))"
# The newest row of every wearer that some chips had.
NEWEST_OF_CHIPS = f"""{AT_HOURS} AND chip_id IN {{chips:Array(String)}}
    ORDER BY hour_start DESC LIMIT 1 BY {", ".join(CLAIM)}"""


@dataclass(slots=True)
class Memory:
    """Which publications of the CRM extract a load of some hours goes by.

    An extract is made of earlier ones. What another run publishes in between, an operator's correction above all, would
    be lost under one that was read later and doesn't know of it.
    """

    clickhouse: ClickHouse
    hours: Sequence[datetime]
    seen: Mapping[datetime, int] | None = None

    def begin(self) -> None:
        """Note what is published now. To be called before the CRM is asked and anything is remembered."""
        self.seen = self._published()

    def still_holds(self) -> None:
        """Refuse if it has changed since; an hour that was only confirmed hasn't.

        Raises:
            DataError: It has. Another attempt may succeed.
        """
        now = self._published()
        if self.seen is not None and now != self.seen:
            changed = {hour for hour, number in now.items() if self.seen.get(hour) != number}
            raise DataError(
                f"{CRM_EXTRACT} was published for {describe(changed)} by another run meanwhile, and this one was made "
                "without it; nothing was published. Load these hours again.",
                retryable=True,
            )

    def _published(self) -> dict[datetime, int]:
        """The publications of the hours, and of the nearest ones before and after."""
        _, (around,) = self.clickhouse.rows(sql("clickhouse/queries/crm_hours_around.sql"), _window(self.hours))
        beside = [datetime.fromtimestamp(hour, UTC) for hour in around if hour]
        table = HourlyTable.of(self.clickhouse, CRM_EXTRACT)
        found = table.current(self.clickhouse, min(self.hours), max(self.hours) + HOUR)
        for hour in beside:
            found |= table.current(self.clickhouse, hour, hour + HOUR)
        return {hour: entry.number for hour, entry in found.items()}


def extract_crm_hours(
    source: PostgresSource,
    clickhouse: ClickHouse,
    hours: Sequence[datetime],
    *,
    as_of_now: bool = False,
    chips: Collection[str] = (),
) -> HourlyFrame:
    """The CRM extract of the hours: who wore which prosthesis, by all that the CRM ever said and says now.

    Args:
        source: The CRM.
        clickhouse: Where earlier extracts are.
        hours: UTC hours.
        as_of_now: An operator states that the wearers the CRM names now hold for these hours, whatever was said before.
        chips: With `as_of_now`, the chips it is about; all that the CRM names, if there are none.

    Raises:
        SourceError: The CRM can't be read, or its view isn't what the data contract says.
        ClickHouseError: ClickHouse can't be read.
        DataError: Earlier extracts changed while they were read, or the CRM doesn't name one of `chips` once.
    """
    (frame,) = crm_parts(source, clickhouse, hours, as_of_now=as_of_now, chips=chips)
    return frame


def crm_parts(
    source: PostgresSource,
    clickhouse: ClickHouse,
    hours: Sequence[datetime],
    most_rows: int | None = None,
    *,
    as_of_now: bool = False,
    chips: Collection[str] = (),
    memory: Memory | None = None,
) -> Generator[HourlyFrame]:
    """The same in parts of about `most_rows` rows, or of one hour; all of one answer of the CRM.

    `memory`, if it is given, is told when this begins; who publishes the parts asks it whether they still hold.

    Raises:
        SourceError, ClickHouseError, DataError: As above.
    """
    if memory is not None:
        memory.begin()
    answer = extract_crm(source)
    known = _claimed(clickhouse, answer, hours)
    intervals = known_timelines(answer, known)
    # A row is twice as wide as one of the other tables.
    rows = dict.fromkeys(hours, 2 * max(answer.rows.height, known.claims.height))
    for part in [list(hours)] if most_rows is None else in_parts(hours, rows, most_rows):
        there = replace(known, stated=_stated(clickhouse, part))
        if as_of_now:
            yield state(answer, there, part, chips, intervals)
        else:
            yield attribute(answer, there, part, intervals)


def remembered(clickhouse: ClickHouse, answer: CrmAnswer, hours: Sequence[datetime]) -> Remembered:
    """What the extracts of the hours, and of the nearest published hours before and after them, know."""
    return replace(_claimed(clickhouse, answer, hours), stated=_stated(clickhouse, hours))


def _stated(clickhouse: ClickHouse, hours: Sequence[datetime]) -> pl.DataFrame:
    """What an operator stated of the hours."""
    table = HourlyTable.of(clickhouse, CRM_EXTRACT)
    at = {"hours": [int(hour.timestamp()) for hour in hours]}
    return table.visible(clickhouse, f"{AT_HOURS} AND ownership = '{STATED}'", at)


def _claimed(clickhouse: ClickHouse, answer: CrmAnswer, hours: Sequence[datetime]) -> Remembered:
    """What is remembered of the hours and their neighbours, without what was stated."""
    table = HourlyTable.of(clickhouse, CRM_EXTRACT)
    _, (around,) = clickhouse.rows(sql("clickhouse/queries/crm_hours_around.sql"), _window(hours))
    at = {"hours": [int(hour.timestamp()) for hour in hours] + [hour for hour in around if hour]}
    found = clickhouse.frame(sql("clickhouse/queries/crm_claims.sql"), at)
    claims = found.select(pl.col(c).cast(t) for c, t in CLAIMS.items())
    former = claims.join(answer.rows, on=CLAIM, how="anti")["chip_id"].unique().sort()
    memory = [
        table.visible(clickhouse, NEWEST_OF_CHIPS, {**at, "chips": chips["chip_id"].to_list()})
        for chips in former.to_frame().iter_slices(CHIPS_PER_QUERY)
    ]
    nothing = pl.DataFrame(schema={c.name: c.dtype for c in table.columns})
    rows = pl.concat(memory) if memory else nothing
    return Remembered(claims, rows.select(answer.rows.columns), nothing)


def _window(hours: Sequence[datetime]) -> dict[str, int]:
    return {"since": int(min(hours).timestamp()), "until": int((max(hours) + HOUR).timestamp())}
