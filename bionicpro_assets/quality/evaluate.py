"""Evaluating claims in ClickHouse: on the rows that readers see, or on rows that are written and not yet visible."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
    every = {"now": int((now or datetime.now(UTC)).timestamp())}
    window = _Window(clickhouse, hours, staged or {}, every)
    verdicts = []
    for claim in claims:
        found = window.screened(claim, claims) if claim.screen else None
        verdicts.append(Verdict(claim, found if found is not None else window.found(claim)))
    return verdicts


@dataclass(frozen=True, slots=True)
class _Window:
    """The rows that claims are evaluated on."""

    clickhouse: ClickHouse
    hours: Sequence[datetime]
    staged: Mapping[datetime, int]
    parameters: Mapping[str, Any]
    screens: dict[tuple[str, str], Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    def found(self, claim: Claim) -> dict[datetime, HourVerdict]:
        """What the claim's own query finds."""
        return {
            _hour(row["hour_seconds"]): _verdict(row) for row in self._rows(claim.table, claim.file, claim.parameters)
        }

    def screened(self, claim: Claim, claims: Sequence[Claim]) -> dict[datetime, HourVerdict] | None:
        """That nothing offends, by the claim's screen; None where its own query must look."""
        key = claim.table, claim.screen
        if key not in self.screens:
            thresholds = {
                f"{other.name}_{name}": value
                for other in claims
                if (other.table, other.screen) == key
                for name, value in other.parameters.items()
            }
            file = f"clickhouse/checks/screens/{claim.screen}.sql"
            # Of the claims that share it, some may not be asked about: their thresholds aren't here then.
            given = {*thresholds, *self.parameters, *_bounds(self.hours)}
            if not set(re.findall(r"{(\w+):", sql(file))) <= given:
                return None
            self.screens[key] = self._rows(claim.table, file, thresholds)
        rows = self.screens[key]
        if any(row["suspects"] for row in rows):
            return None
        checked = {_hour(row["hour_seconds"]): int(row.get(f"checked_{claim.name}", row["checked"])) for row in rows}
        return {hour: HourVerdict(count, 0, []) for hour, count in checked.items() if count}

    def _rows(self, table: str, file: str, thresholds: Mapping[str, Any]) -> list[dict[str, Any]]:
        query, parameters = sql(file), {**_bounds(self.hours), **self.parameters, **thresholds}
        for placeholder, name in {":rows": table, **OTHERS}.items():
            if placeholder in query:
                pins = self.staged if placeholder == ":rows" else None
                relation, more = HourlyTable.of(self.clickhouse, name).relation(self.hours, pins)
                query, parameters = query.replace(placeholder, relation), parameters | more
        names, rows = self.clickhouse.rows(query, parameters, QUERY_SETTINGS)
        return [dict(zip(names, row, strict=True)) for row in rows]


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


def _bounds(hours: Sequence[datetime]) -> dict[str, Any]:
    return {"since": int(min(hours).timestamp()), "until": int((max(hours) + HOUR).timestamp())}


def _hour(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _verdict(row: Mapping[str, Any]) -> HourVerdict:
    return HourVerdict(int(row["checked"]), int(row["failed"]), list(row["sample"]))
