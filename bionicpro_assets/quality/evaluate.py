"""Looking at rows: how many there are, their checksum, and whether the claims on them hold, in one statement a table.

The statement is `sql/clickhouse/audits/<table>.sql`. A claim names one of its columns as its screen: where that is 0
the claim holds, and where it isn't the claim's own query looks at the hours and says what is wrong. Rows are always
those of publications that are named, whether readers see them yet or not.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from bionicpro_assets.errors import DataError
from bionicpro_assets.hours import HOUR, in_parts
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.table import Answers, Entry, HourlyTable, current_entries, hour_of, seconds_of
from bionicpro_assets.quality.claims import CRM, MART, REJECTED, TELEMETRY, Claim
from bionicpro_assets.quality.verdict import Found, HourVerdict, Verdict
from bionicpro_assets.sqlfiles import SQL_ROOT, sql

OTHERS = {":telemetry": TELEMETRY, ":crm": CRM, ":rejected": REJECTED}
# Mart and quarantine hold the telemetry between them. This screen is computed of the looks at all three.
UNACCOUNTED = "unaccounted"
# The audit of a table without claims.
COUNTED_ONLY = "clickhouse/audits/any.sql"
# ClickHouse compares so many rows in the memory that one takes here, where it has every column several times.
ROWS_FOR_ONE = 8
# A window of so few hours is looked at as a whole, however large the fleet.
HOURS_TOGETHER = 3
# What a row without a partner shows is a matter of the user's profile; the SQL is written for ClickHouse's default.
QUERY_SETTINGS = {"join_use_nulls": 0}
RELATION = re.compile(r":(?:rows|before|telemetry|crm|rejected)\b")
EVERYTHING = (CRM, TELEMETRY, REJECTED, MART)


class BlockedError(DataError):
    """Rows break a claim that must hold before they are published. `verdicts` are those that fail."""

    def __init__(self, table: str, verdicts: Sequence[HourVerdict]) -> None:
        self.verdicts = verdicts
        listed = "\n".join(f"  - {verdict}" for verdict in verdicts)
        super().__init__(
            f"{table}: the rows break what must hold before they are published; nothing was published:\n{listed}"
        )


@dataclass(slots=True)
class Audited:
    """What one look at the rows of an hour found.

    Attributes:
        row_count: How many there are.
        checksum: Their checksum.
        accounting: The checksum of what telemetry has in common with mart and quarantine.
        answers: Count and checksum by what readers tell hours apart by.
        counts: Further counts by name: screens, and what a claim has `checked_…`.
    """

    row_count: int = 0
    checksum: int = 0
    accounting: int = 0
    answers: Answers = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, found: dict[str, Any]) -> None:
        """Take in a row of the statement; an hour has several where it has several local hours."""
        count, checksum = found.pop("row_count"), found.pop("checksum")
        self.row_count += count
        self.checksum = (self.checksum + checksum) % 2**64
        self.accounting = (self.accounting + found.pop("accounting", 0)) % 2**64
        self.answers[found.pop("readers_hour")] = (count, checksum)
        self.counts.update({name: int(value) for name, value in found.items()})


@dataclass(frozen=True, slots=True)
class Look:
    """A look at the rows of some hours.

    Attributes:
        clickhouse: Where they are.
        hours: Which hours.
        publications: By table, the publication of each hour that is looked at; what isn't here has no rows.
        telemetry: What the journal says of the telemetry that mart and quarantine are made of.
        before: By table, the publications that are visible until those that are looked at are published.
        now: What counts as now, in Unix seconds.
    """

    clickhouse: ClickHouse
    hours: Sequence[datetime]
    publications: Mapping[str, Mapping[datetime, int]]
    telemetry: Mapping[datetime, Entry] = field(default_factory=dict)
    before: Mapping[str, Mapping[datetime, int]] = field(default_factory=dict)
    now: int = field(default_factory=lambda: int(datetime.now(UTC).timestamp()))

    def audit(self, name: str, claims: Sequence[Claim]) -> dict[datetime, Audited]:
        """What one statement finds in the table's rows; of every hour, also of those without rows."""
        table = HourlyTable.of(self.clickhouse, name)
        known = {hour: entry.row_count for hour, entry in self.telemetry.items()}
        thresholds = {
            f"{claim.name}_{parameter}": value
            for claim in claims
            if claim.table == name
            for parameter, value in claim.parameters.items()
        }
        parameters = thresholds | {
            "now": self.now,
            "known_hours": list(map(seconds_of, known)),
            "known_rows": list(known.values()),
        }
        file = _audit_file(name, parameters)
        query = sql(file).replace(":checksum", table.checksum).replace(":readers_hour", table.readers_hour)
        query = query.replace(":accounting", sql("clickhouse/audits/accounting_of_telemetry.sql"))
        screens = {claim.screen for claim in claims if claim.table == name and file != COUNTED_ONLY} - {"", UNACCOUNTED}
        audited = {hour: Audited(counts=Counter(dict.fromkeys(screens, 0))) for hour in self.hours}
        for found in self._rows(name, query, parameters):
            audited[hour_of(found.pop("hour_seconds"))].add(found)
        return audited

    def verdict(self, claim: Claim, audited: Mapping[datetime, Audited]) -> HourVerdict:
        """What a claim finds: by its screen where that is enough, by its own query else."""
        if not audited or any(found.counts.get(claim.screen, 1) for found in audited.values()):
            return self.own_verdict(claim)
        checked = {hour: found.counts.get(f"checked_{claim.name}", found.row_count) for hour, found in audited.items()}
        return Verdict(claim, {hour: Found(count, 0, []) for hour, count in checked.items() if count})

    def own_verdict(self, claim: Claim) -> HourVerdict:
        """What the claim's own query finds."""
        span = {"since": seconds_of(min(self.hours)), "until": seconds_of(max(self.hours) + HOUR), "now": self.now}
        rows = self._rows(claim.table, sql(claim.file), {**span, **claim.parameters})
        return Verdict(claim, {hour_of(row["hour_seconds"]): Found.of(row) for row in rows})

    def _rows(self, name: str, query: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        parameters = dict(parameters)
        for placeholder, table in {":rows": name, ":before": name, **OTHERS}.items():
            if re.search(rf"{placeholder}\b", query):
                pins = self.before if placeholder == ":before" else self.publications
                numbers = {hour: number for hour, number in pins.get(table, {}).items() if hour in set(self.hours)}
                relation, more = _relation(self.clickhouse, table, numbers, f"{placeholder[1:]}_")
                query, parameters = relation.join(re.split(rf"{placeholder}\b", query)), parameters | more
        names, found = self.clickhouse.rows(query, parameters, QUERY_SETTINGS)
        return [dict(zip(names, row, strict=True)) for row in found]


def account(
    mart: Mapping[datetime, Audited],
    rejected: Mapping[datetime, Audited],
    telemetry: Mapping[datetime, tuple[int, int]],
) -> None:
    """Note in what was found of the mart whether mart and quarantine are together what the telemetry is.

    Args:
        mart: What was found of the mart.
        rejected: What was found of the quarantine.
        telemetry: Rows and accounting of the telemetry that both were made of.
    """
    for hour, found in mart.items():
        count, accounting = telemetry.get(hour, (0, 0))
        aside = rejected.get(hour, Audited())
        total = (found.accounting + aside.accounting) % 2**64
        found.counts[UNACCOUNTED] = int(found.row_count + aside.row_count != count or total != accounting)
        found.counts["checked_nothing_lost_nothing_doubled"] = count
        for claim in ("every_chip_known", "most_telemetry_attributed"):
            aside.counts[f"checked_{claim}"] = count


def evaluate(
    clickhouse: ClickHouse,
    claims: Sequence[Claim],
    hours: Sequence[datetime],
    *,
    now: datetime | None = None,
    most_rows: int | None = None,
    unseen: Mapping[str, Mapping[datetime, int]] | None = None,
) -> list[HourVerdict]:
    """What each claim finds in the hours, on the rows that readers see.

    Args:
        clickhouse: Where.
        claims: Claims on one or more tables.
        hours: UTC hours.
        now: What counts as now.
        most_rows: How many rows this process works on at once. ClickHouse looks at a multiple of them together, if they
            are of more than a few hours: what it needs to compare tables, chip by chip, grows with them.
        unseen: Publications of some tables that are looked at in place of those that are visible.

    Raises:
        ClickHouseError: ClickHouse can't be read.
    """
    hours = sorted(hours)
    entries: dict[str, dict[datetime, Entry]] = {}
    if any(looks_at_rows(claim) for claim in claims):
        names = list(dict.fromkeys([*EVERYTHING, *(claim.table for claim in claims)]))
        for name, found in current_entries(clickhouse, names, hours[0], hours[-1] + HOUR).items():
            entries[name] = {hour: found[hour] for hour in hours if hour in found}
    visible = {name: {hour: entry.number for hour, entry in found.items()} for name, found in entries.items()}
    whole = Look(
        clickhouse,
        hours,
        {name: {**numbers, **(unseen or {}).get(name, {})} for name, numbers in visible.items()},
        entries.get(TELEMETRY, {}),
        visible,
        now=int((now or datetime.now(UTC)).timestamp()),
    )
    parts = [hours]
    if most_rows is not None and len(hours) > HOURS_TOGETHER:
        rows: Counter[datetime] = Counter()
        for found in entries.values():
            rows.update({hour: entry.row_count for hour, entry in found.items()})
        parts = in_parts(hours, rows, most_rows * ROWS_FOR_ONE)
    verdicts = [Verdict(claim, {}) if claim.hourly else whole.own_verdict(claim) for claim in claims]
    hourly = [claim for claim in claims if claim.hourly]
    for part in parts:
        of_part = _verdicts_of_part(replace(whole, hours=part), hourly)
        verdicts = [verdict.joined(of_part.get((verdict.claim.table, verdict.claim.name))) for verdict in verdicts]
    return verdicts


def looks_at_rows(claim: Claim) -> bool:
    """Whether a claim is about rows of these hours, and not about what the journal says of them."""
    return bool(claim.screen) or bool(RELATION.search(sql(claim.file)))


def _verdicts_of_part(look: Look, claims: Sequence[Claim]) -> dict[tuple[str, str], HourVerdict]:
    tables = {claim.table for claim in claims if claim.screen}
    if tables & {MART, REJECTED}:
        tables |= {MART, REJECTED, TELEMETRY}
    audits = {table: look.audit(table, claims) for table in sorted(tables)}
    if MART in audits:
        telemetry = {hour: (found.row_count, found.accounting) for hour, found in audits[TELEMETRY].items()}
        account(audits[MART], audits[REJECTED], telemetry)
    return {(claim.table, claim.name): look.verdict(claim, audits.get(claim.table, {})) for claim in claims}


def _relation(
    clickhouse: ClickHouse, name: str, numbers: Mapping[datetime, int], prefix: str
) -> tuple[str, dict[str, Any]]:
    table = HourlyTable.of(clickhouse, name)
    if numbers:
        return table.pinned(numbers, prefix=prefix)
    columns = ", ".join(column.name for column in table.columns)
    return f"(SELECT {columns} FROM {table.storage} WHERE 0)", {}  # noqa: S608 - own names


def _audit_file(name: str, parameters: Mapping[str, Any]) -> str:
    """The table's own statement; one that only counts, if it has none or isn't asked with all of its thresholds."""
    file = f"clickhouse/audits/{name.partition('.')[2]}.sql"
    own = (SQL_ROOT / file).is_file() and set(re.findall(r"{(\w+):", sql(file))) <= set(parameters)
    return file if own and name in EVERYTHING else COUNTED_ONLY
