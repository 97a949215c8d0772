"""Examining the source databases."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from bionicpro_assets.doctor.finding import Finding, clock
from bionicpro_assets.extract.contract import CUSTOMER_PROSTHESIS, HOURLY_TELEMETRY, SourceView
from bionicpro_assets.extract.postgres import PostgresSource, Snapshot
from bionicpro_assets.hours import HOUR
from bionicpro_assets.settings import Settings
from bionicpro_assets.sqlfiles import sql

REPLICA_LAG_SECONDS = 60.0


def examine_crm(source: PostgresSource, settings: Settings) -> Iterator[Finding]:
    """The CRM: connection, clock, rights, the view, and what it shows."""
    before = datetime.now(UTC)
    with source.snapshot() as snapshot:
        yield from _server(snapshot, before)
        yield _view(snapshot, CUSTOMER_PROSTHESIS)
        yield from _rights(snapshot, "crm", settings)
        prostheses, fitted = snapshot.read(sql("crm/queries/doctor_fitted.sql")).row(0)
        if fitted:
            yield Finding(source.name, "ok", f"It names the wearers of {fitted} chips, and {prostheses} prostheses.")
        else:
            yield Finding(source.name, "warning", "It names no chip at all: all telemetry would be set aside.")


def examine_telemetry(source: PostgresSource, settings: Settings) -> Iterator[Finding]:
    """The telemetry database: connection, clock, rights, the view, the roll-up, and how old the newest hour is."""
    before = datetime.now(UTC)
    with source.snapshot() as snapshot:
        yield from _server(snapshot, before)
        yield _view(snapshot, HOURLY_TELEMETRY)
        yield from _rights(snapshot, "telemetry", settings)
        if settings.rollup == "platform":
            yield _roll_up(snapshot)
        newest = snapshot.read(sql("telemetry/queries/doctor_newest_hour.sql")).rows()
        if not newest:
            yield Finding(source.name, "warning", "No hour of the last 7 days is rolled up: see who runs the roll-up.")
            return
        hour, chips = newest[0]
        late = datetime.now(UTC) - hour - HOUR > timedelta(minutes=settings.max_age_minutes)
        yield Finding(
            source.name,
            "warning" if late else "ok",
            f"The newest hour is {hour:%Y-%m-%d %H:%M} UTC, of {chips} chips."
            + (" Telemetry doesn't arrive, or isn't rolled up: look at the gateway and the roll-up." if late else ""),
        )


def _server(snapshot: Snapshot, before: datetime) -> Iterator[Finding]:
    name, took = snapshot.source.name, datetime.now(UTC) - before
    version, is_replica, behind = snapshot.read(sql("postgres/doctor_server.sql")).row(0)
    kind = "a replica of PostgreSQL" if is_replica else "PostgreSQL"
    yield Finding(
        name, "ok", f"{snapshot.source.place} answers: {kind} {version}, {took / timedelta(seconds=1):.2f} s."
    )
    if behind is not None and behind > REPLICA_LAG_SECONDS:
        yield Finding(name, "warning", f"The replica is {behind:.0f} s behind: what is missing in it is loaded late.")
    # Its clock was read between the two; connecting takes most of that.
    now = datetime.now(UTC)
    ahead = snapshot.read_at - now if snapshot.read_at > now else min(snapshot.read_at - before, timedelta())
    yield clock(name, ahead)


def _view(snapshot: Snapshot, view: SourceView) -> Finding:
    view.check(snapshot)
    return Finding(snapshot.source.name, "ok", f"{view.relation} has all {len(view.columns)} columns that are read.")


def _rights(snapshot: Snapshot, schema: str, settings: Settings) -> Iterator[Finding]:
    # The embedded server has one user, who may do everything.
    if settings.embedded_postgres:
        return
    tables = snapshot.read(sql("postgres/doctor_may_write.sql").replace(":relation", schema))["relation"].to_list()
    if tables:
        yield Finding(
            snapshot.source.name,
            "warning",
            f"The user of {snapshot.source.setting} may change {', '.join(tables)}: it only needs what "
            f"sql/{schema}/roles grants.",
        )
    else:
        yield Finding(snapshot.source.name, "ok", f"Its user may change nothing in the schema {schema}.")


def _roll_up(snapshot: Snapshot) -> Finding:
    there, granted = snapshot.read(sql("telemetry/queries/doctor_may_roll_up.sql")).row(0)
    name = snapshot.source.name
    if there and granted:
        return Finding(name, "ok", "The roll-up can be called.")
    if there:
        return Finding(
            name,
            "problem",
            "BIONICPRO_ROLLUP is platform, and the user may not call telemetry.aggregate_hourly_stats: grant "
            "bionicpro_telemetry_rollup to it (sql/telemetry/roles), or set BIONICPRO_ROLLUP=external.",
        )
    return Finding(
        name,
        "problem",
        "BIONICPRO_ROLLUP is platform, and there is no telemetry.aggregate_hourly_stats(timestamptz): set "
        "BIONICPRO_ROLLUP=external if somebody else rolls the hours up.",
    )
