"""`bionicpro doctor`."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime

from rich.table import Column, Table
from rich.text import Text

from bionicpro_assets.alerts.setup import channels_of
from bionicpro_assets.alerts.text import counted
from bionicpro_assets.cli.console import console
from bionicpro_assets.databases import clickhouse_of, crm_of, telemetry_of
from bionicpro_assets.doctor.encryption import examine_encryption
from bionicpro_assets.doctor.finding import Finding, looked_at
from bionicpro_assets.doctor.mart import SUBJECT as CLICKHOUSE
from bionicpro_assets.doctor.mart import examine_clickhouse
from bionicpro_assets.doctor.orchestration import SUBJECT as DAGSTER
from bionicpro_assets.doctor.orchestration import examine_dagster
from bionicpro_assets.doctor.sources import examine_crm, examine_telemetry
from bionicpro_assets.errors import AnswerError, ClickHouseError, PlatformError, SettingsError
from bionicpro_assets.extract.postgres import PostgresSource
from bionicpro_assets.instance import dagster_instance
from bionicpro_assets.late.record import record_of
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.settings import Settings
from bionicpro_assets.setup.embedded import sources_running
from bionicpro_assets.standing.look import examine

MARKS = {"ok": Text("✓", "green"), "warning": Text("!", "yellow"), "problem": Text("✗", "red")}


def run_doctor(now: datetime, *, as_json: bool) -> None:
    """Look at everything, say what was found, and end with what is wrong.

    Raises:
        AnswerError: There is at least one problem.
    """
    findings = []
    for finding in findings_of(now):
        findings.append(finding)
        if as_json:
            print(json.dumps(asdict(finding), ensure_ascii=False))  # noqa: T201
        else:
            # A grid a line: each is said as soon as it is known, and long ones are indented.
            line = Table.grid(Column(width=1), Column(width=12), Column(overflow="fold"), padding=(0, 1))
            line.add_row(MARKS[finding.state], finding.subject, finding.says)
            console.print(line)
    count = Counter(finding.state for finding in findings)
    if count["problem"]:
        raise AnswerError(f"{counted(count['problem'], 'problem')}, {counted(count['warning'], 'warning')}.")
    if not as_json:
        console.print(f"No problem; {counted(count['warning'], 'warning')}." if count["warning"] else "All is well.")


def findings_of(now: datetime) -> Iterator[Finding]:
    """Everything that is looked at, in order. What can't be reached doesn't keep the rest from being looked at."""
    try:
        settings = Settings.load()
    except SettingsError as error:
        yield from (Finding("settings", "problem", problem) for problem in error.problems)
        return
    yield Finding("settings", "ok", "All settings are valid.")
    crm = crm_of(settings)
    telemetry = telemetry_of(settings)
    yield from examine_encryption(settings, crm, telemetry)
    yield from looked_at(crm.name, lambda: _of_sources(crm, telemetry, settings))
    with clickhouse_of(settings, engine_wait_seconds=5) as clickhouse:
        yield from looked_at(CLICKHOUSE, lambda: examine_clickhouse(clickhouse, settings, now))
        yield from looked_at(CLICKHOUSE, lambda: _of_what_stands(clickhouse, settings, now))
    yield from looked_at(DAGSTER, lambda: _of_dagster(settings, now))
    names = ", ".join(channel.name for channel in channels_of(settings))
    yield (
        Finding("alerts", "ok", f"Told by {names}; try it: bionicpro alerts test")
        if names
        else Finding("alerts", "warning", "Nobody is told when something is wrong: docs/alerts.md.")
    )


def _of_sources(crm: PostgresSource, telemetry: PostgresSource, settings: Settings) -> Iterator[Finding]:
    with sources_running(settings):
        yield from looked_at(crm.name, lambda: examine_crm(crm, settings))
        yield from looked_at(telemetry.name, lambda: examine_telemetry(telemetry, settings))


def _of_what_stands(clickhouse: ClickHouse, settings: Settings, now: datetime) -> Iterator[Finding]:
    stands = "Every hour that is kept has the rows that were published."
    try:
        with dagster_instance(settings) as instance:
            standing = examine(clickhouse, record_of(instance), now)
    except ClickHouseError:
        raise
    except PlatformError:
        # Why the record can't be read is said beneath, of Dagster itself.
        standing = examine(clickhouse, None, now)
        stands = "Every hour that the journal has stands as it was published."
        standing.notices.append("Without Dagster's record nobody can say whether the journal has lost hours.")
    yield from (Finding(CLICKHOUSE, "problem", says) for says in standing.says)
    yield from (Finding(CLICKHOUSE, "warning", says) for says in standing.notices)
    if not standing.says:
        yield Finding(CLICKHOUSE, "ok", stands)


def _of_dagster(settings: Settings, now: datetime) -> Iterator[Finding]:
    with dagster_instance(settings) as instance:
        yield from examine_dagster(instance, settings, now)
