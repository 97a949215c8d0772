"""Evaluating claims in ClickHouse: on the rows that readers see, or on rows that are written and not yet visible."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bionicpro_assets.errors import DataError
from bionicpro_assets.hours import HOUR, describe
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.table import HourlyTable
from bionicpro_assets.quality.claims import CRM, REJECTED, TELEMETRY, Claim
from bionicpro_assets.sqlfiles import sql

OTHERS = {":telemetry": TELEMETRY, ":crm": CRM, ":rejected": REJECTED}
# What a row without a partner shows is a matter of the user's profile; the SQL is written for ClickHouse's default.
QUERY_SETTINGS = {"join_use_nulls": 0}


@dataclass(frozen=True, slots=True)
class HourVerdict:
    """What one claim found in one hour.

    Attributes:
        checked: How many rows, or chips, or whatever the claim is about, were looked at.
        failed: How many of them offend.
        sample: Some of them in words.
    """

    checked: int
    failed: int
    sample: Sequence[str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one claim found, hour by hour. An hour that isn't here had nothing to look at."""

    claim: Claim
    hours: Mapping[datetime, HourVerdict]

    @property
    def failing(self) -> list[datetime]:
        """The hours in which something offends."""
        return sorted(hour for hour, verdict in self.hours.items() if verdict.failed)

    @property
    def passed(self) -> bool:
        """Whether nothing offends."""
        return not self.failing

    def __str__(self) -> str:
        """The claim, and where it doesn't hold, with an example."""
        if self.passed:
            return f"{self.claim.name}: holds"
        count = sum(self.hours[hour].failed for hour in self.failing)
        example = next((s for hour in self.failing for s in self.hours[hour].sample), "")
        return (
            f"{self.claim.name}: {self.claim.words} Not so {count} times in {describe(self.failing)}"
            f"{f', like {example}' if example else ''}."
        )


class BlockedError(DataError):
    """Rows break a claim that must hold before they are published. `verdicts` are those that fail."""

    def __init__(self, table: str, verdicts: Sequence[Verdict]) -> None:
        self.verdicts = verdicts
        listed = "\n".join(f"  - {verdict}" for verdict in verdicts)
        super().__init__(
            f"{table}: the rows break what must hold before they are published; nothing was published:\n{listed}"
        )


def evaluate(
    clickhouse: ClickHouse,
    claims: Sequence[Claim],
    hours: Sequence[datetime],
    *,
    staged: Mapping[datetime, int] | None = None,
    now: datetime | None = None,
) -> list[Verdict]:
    """What each claim finds in the hours.

    Args:
        clickhouse: Where.
        claims: Claims on one or more tables.
        hours: UTC hours.
        staged: Publications of the claims' own table to look at, by hour, in place of those that are visible.
        now: What counts as now.

    Raises:
        ClickHouseError: ClickHouse can't be read.
    """
    tables: dict[str, HourlyTable] = {}
    verdicts = []
    window = _window(hours) | {"now": int((now or datetime.now(UTC)).timestamp())}
    for claim in claims:
        query, parameters = sql(claim.file), {**window, **claim.parameters}
        for placeholder, name in {":rows": claim.table, **OTHERS}.items():
            if placeholder not in query:
                continue
            if name not in tables:
                tables[name] = HourlyTable.of(clickhouse, name)
            pins = staged if placeholder == ":rows" else None
            relation, more = tables[name].relation(hours, pins)
            query, parameters = query.replace(placeholder, relation), parameters | more
        names, rows = clickhouse.rows(query, parameters, QUERY_SETTINGS)
        found = (dict(zip(names, row, strict=True)) for row in rows)
        verdicts.append(Verdict(claim, {_hour(row["hour_seconds"]): _verdict(row) for row in found}))
    return verdicts


def require(
    clickhouse: ClickHouse,
    claims: Sequence[Claim],
    table: str,
    staged: Mapping[datetime, int],
    *,
    now: datetime | None = None,
) -> None:
    """Check the blocking claims of a table on rows that are written and not yet visible; `now` is what counts as now.

    Raises:
        BlockedError: One doesn't hold.
    """
    blocking = [claim for claim in claims if claim.blocking and claim.table == table]
    failing = [v for v in evaluate(clickhouse, blocking, sorted(staged), staged=staged, now=now) if not v.passed]
    if failing:
        raise BlockedError(table, failing)


def _window(hours: Sequence[datetime]) -> dict[str, Any]:
    return {"since": int(min(hours).timestamp()), "until": int((max(hours) + HOUR).timestamp())}


def _hour(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _verdict(row: Mapping[str, Any]) -> HourVerdict:
    return HourVerdict(int(row["checked"]), int(row["failed"]), list(row["sample"]))
