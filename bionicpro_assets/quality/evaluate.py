"""Evaluating claims in ClickHouse: on the rows that readers see, or on rows that are written and not yet visible."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from bionicpro_assets.errors import DataError
from bionicpro_assets.hours import HOUR, in_parts
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.table import HourlyTable
from bionicpro_assets.quality.claims import CRM, REJECTED, TELEMETRY, Claim
from bionicpro_assets.quality.verdict import Found, HourVerdict, Verdict
from bionicpro_assets.sqlfiles import sql

OTHERS = {":telemetry": TELEMETRY, ":crm": CRM, ":rejected": REJECTED}
# What a row without a partner shows is a matter of the user's profile; the SQL is written for ClickHouse's default.
# ClickHouse compares so many rows in the memory that one takes here, where it has every column several times.
ROWS_FOR_ONE = 8
# A window of so few hours is looked at as a whole: counting its rows first would cost more.
HOURS_TOGETHER = 3
QUERY_SETTINGS = {"join_use_nulls": 0}


class BlockedError(DataError):
    """Rows break a claim that must hold before they are published. `verdicts` are those that fail."""

    def __init__(self, table: str, verdicts: Sequence[HourVerdict]) -> None:
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
    most_rows: int | None = None,
) -> list[HourVerdict]:
    """What each claim finds in the hours.

    Args:
        clickhouse: Where.
        claims: Claims on one or more tables.
        hours: UTC hours.
        staged: Publications of the claims' own table to look at, by hour, in place of those that are visible.
        now: What counts as now.
        most_rows: How many rows this process works on at once. ClickHouse looks at a multiple of them together, if they
            are of more than a few hours: what it needs to compare tables, chip by chip, grows with them.

    Raises:
        ClickHouseError: ClickHouse can't be read.
    """
    every = {"now": int((now or datetime.now(UTC)).timestamp())}
    whole = _Window(clickhouse, sorted(hours), staged or {}, every)
    parts = [whole]
    if most_rows is not None and len(hours) > HOURS_TOGETHER:
        parts = whole.parts({claim.table for claim in claims}, most_rows)
    found: dict[tuple[str, str], dict[datetime, Found]] = {(c.table, c.name): {} for c in claims}
    for part in parts:
        for claim in claims:
            if claim.hourly or part is parts[-1]:
                found[claim.table, claim.name] |= (part if claim.hourly else whole).verdicts(claim, claims)
    return [Verdict(claim, found[claim.table, claim.name]) for claim in claims]


@dataclass(frozen=True, slots=True)
class _Window:
    """The rows that claims are evaluated on."""

    clickhouse: ClickHouse
    hours: Sequence[datetime]
    staged: Mapping[datetime, int]
    parameters: Mapping[str, Any]
    screens: dict[tuple[str, str], Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    def parts(self, tables: Set[str], most_rows: int) -> list["_Window"]:
        """The window in parts of at most so many rows, of all tables that the claims may look at."""
        rows: Counter[datetime] = Counter()
        for name in tables | set(OTHERS.values()):
            table = HourlyTable.of(self.clickhouse, name)
            current = table.current(self.clickhouse, self.hours[0], self.hours[-1] + HOUR)
            rows.update({hour: entry.row_count for hour, entry in current.items()})
            if self.staged and name in tables:
                relation, parameters = table.relation(self.hours, self.staged)
                counted = f"SELECT toUnixTimestamp(hour_start), count() FROM {relation} GROUP BY hour_start"  # noqa: S608
                rows.update({_hour(seconds): n for seconds, n in self.clickhouse.rows(counted, parameters)[1]})
        return [
            replace(self, hours=part, staged={h: self.staged[h] for h in part if h in self.staged}, screens={})
            for part in in_parts(self.hours, rows, most_rows * ROWS_FOR_ONE)
        ]

    def verdicts(self, claim: Claim, claims: Sequence[Claim]) -> dict[datetime, Found]:
        """What the claim finds: by its screen where that is enough, by its own query else."""
        found = self.screened(claim, claims) if claim.screen else None
        return found if found is not None else self.found(claim)

    def found(self, claim: Claim) -> dict[datetime, Found]:
        """What the claim's own query finds."""
        return {
            _hour(row["hour_seconds"]): Found.of(row) for row in self._rows(claim.table, claim.file, claim.parameters)
        }

    def screened(self, claim: Claim, claims: Sequence[Claim]) -> dict[datetime, Found] | None:
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
        return {hour: Found(count, 0, []) for hour, count in checked.items() if count}

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
    most_rows: int | None = None,
) -> None:
    """Check the blocking claims of a table on rows that are written and not yet visible; the rest as in `evaluate`.

    Raises:
        BlockedError: One doesn't hold.
    """
    blocking = [claim for claim in claims if claim.blocking and claim.table == table]
    verdicts = evaluate(clickhouse, blocking, sorted(staged), staged=staged, now=now, most_rows=most_rows)
    failing = [verdict for verdict in verdicts if not verdict.passed]
    if failing:
        raise BlockedError(table, failing)


def _bounds(hours: Sequence[datetime]) -> dict[str, Any]:
    return {"since": int(min(hours).timestamp()), "until": int((max(hours) + HOUR).timestamp())}


def _hour(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
