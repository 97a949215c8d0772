"""How far the numbers of a period can be relied on: hours that aren't there, rows set aside, wearers not confirmed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from bionicpro_assets.hours import HOUR
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.table import HourlyTable
from bionicpro_assets.quality.claims import MART
from bionicpro_assets.sqlfiles import sql

# Hours that are joined at a time: of a large fleet, a month at once wouldn't fit into memory.
HOURS_AT_A_TIME = 24


@dataclass(frozen=True, slots=True)
class Quality:
    """What is missing or uncertain in some hours.

    Attributes:
        hours: How many hours there are: those that have ended, from the first that is ever loaded.
        missing: Of those, the ones that were never loaded.
        before: Hours of the period that lie before the first one that is ever loaded.
        unfinished: Of those, the ones that were last read before they had ended: what came after that isn't there.
        rejected: Rows of telemetry that are set aside and in no report, by reason; of a patient, those of the chips
            that the CRM names for the patient in the hour, or last named before it for anybody.
        assumed: Rows of the mart whose wearer the CRM didn't name in the hour.
        dropped: Days that are too old to be kept: whatever is still there of them is deleted soon. Their hours aren't
            among the others.
    """

    hours: int = 0
    missing: Sequence[datetime] = ()
    rejected: Mapping[str, int] = field(default_factory=dict)
    assumed: int = 0
    unfinished: Sequence[datetime] = ()
    before: Sequence[datetime] = ()
    dropped: Sequence[date] = ()


def read_quality(clickhouse: ClickHouse, hours: Sequence[datetime], user: str) -> Quality:
    """What is missing or uncertain in these hours, which follow one another; of one patient, if `user` is given."""
    if not hours:
        return Quality()
    mart = HourlyTable.of(clickhouse, MART)
    loaded = mart.current(clickhouse, hours[0], hours[-1] + HOUR)
    window = {"user": user, "since": int(hours[0].timestamp()), "until": int((hours[-1] + HOUR).timestamp())}
    _, rejected = clickhouse.rows(sql("clickhouse/queries/report_rejected.sql"), window)
    assumed = 0
    for i in range(0, len(hours), HOURS_AT_A_TIME):
        some = hours[i : i + HOURS_AT_A_TIME]
        relation, parameters = mart.relation(some)
        query = sql("clickhouse/queries/report_assumed.sql").replace(":mart", relation)
        _, ((count,),) = clickhouse.rows(query, parameters | {"user": user})
        assumed += count
    return Quality(
        len(hours),
        [hour for hour in hours if hour not in loaded],
        dict(map(tuple, rejected)),
        assumed,
        [hour for hour in hours if hour in loaded and loaded[hour].source_read_at < hour + HOUR],
    )
