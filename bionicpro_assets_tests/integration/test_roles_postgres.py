"""Who may do what in the source databases: every privilege on every table and view, tried, as every role."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import dagster as dg
import psycopg2
import pytest
import yaml
from dagster._core.test_utils import create_run_for_test
from psycopg2 import errors

from bionicpro_assets.cli.metrics import sources_of
from bionicpro_assets.extract.postgres import PostgresSource
from bionicpro_assets.hours import floor_hour
from bionicpro_assets.settings import Settings
from bionicpro_assets.setup.postgres import apply_postgres_schema
from bionicpro_assets.sqlfiles import scripts
from bionicpro_assets_tests.integration.platform import Platform
from bionicpro_assets_tests.integration.sources import Sources, execute, source_for

ROLL_UP = "SELECT telemetry.aggregate_hourly_stats('2026-01-01T00:00Z')"
# What a role may do; everything else that TRIES and OTHERS name is refused.
MAY = {
    ("crm", "bionicpro_crm_reader"): {"SELECT v_customer_prosthesis"},
    ("telemetry", "bionicpro_telemetry_reader"): {"SELECT v_hourly_telemetry"},
    ("telemetry", "bionicpro_telemetry_rollup"): {
        "ROLL UP",
        "KEEP",
        "SELECT raw_telemetry",
        "SELECT raw_retention",
        "SELECT rollup_rules",
        "SELECT hourly_stats",
    },
    ("crm", "nobody"): set(),
    ("telemetry", "nobody"): set(),
}
TRIES = {
    "SELECT": "SELECT count(*) FROM {relation}",
    "INSERT": "INSERT INTO {relation} DEFAULT VALUES",
    "UPDATE": "UPDATE {relation} SET {column} = {column} WHERE false",
    "DELETE": "DELETE FROM {relation} WHERE false",
    "TRUNCATE": "TRUNCATE {relation} CASCADE",
    "DROP": "DROP {kind} {relation} CASCADE",
}
OTHERS = {
    "crm": {"CREATE": "CREATE TABLE crm.extra (a int)"},
    "telemetry": {
        "ROLL UP": ROLL_UP,
        "KEEP": "SELECT telemetry.keep_raw_partitions()",
        "MAKE": "SELECT telemetry.make_raw_partitions(now(), now())",
        "DETACH": "SELECT telemetry.detach_raw_partitions()",
        "ATTACH": "CREATE TABLE telemetry.raw_telemetry_9 PARTITION OF telemetry.raw_telemetry FOR VALUES FROM ('2000-01-01') TO ('2000-01-02')",
        "CREATE": "CREATE TABLE telemetry.extra (a int)",
        "REPLACE": "CREATE OR REPLACE FUNCTION telemetry.aggregate_hourly_stats(hour timestamptz) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "NUMBERS": "SELECT nextval('telemetry.hourly_stats_id_seq')",
    },
    "public": {"CREATE": "CREATE TABLE extra (a int)", "NUMBERS": "SELECT nextval('event_logs_id_seq')"},
}
# A view that joins can't be written at all, and TRUNCATE knows tables only: refused, for another reason.
REFUSED = (
    errors.InsufficientPrivilege,
    errors.ObjectNotInPrerequisiteState,
    errors.FeatureNotSupported,
    errors.WrongObjectType,
)
LOGINS = ("etl_crm", "etl_telemetry", "etl_rollup", "etl_nobody")


@pytest.fixture
def roles(sources: Sources) -> Iterator[Sources]:
    """The source databases with the roles, and a login for each."""
    apply_roles(sources)
    yield sources
    for source in (sources.crm, sources.telemetry):
        execute(source.url, f"DROP OWNED BY {', '.join(r for _, r in MAY if r != 'nobody')}, {', '.join(LOGINS)}")
    # Roles belong to the server, not to a database.
    execute(sources.admin, f"DROP ROLE {', '.join(LOGINS)}, {', '.join(sorted({r for _, r in MAY} - {'nobody'}))}")


def apply_roles(sources: Sources) -> None:
    for source, schema in ((sources.crm, "crm"), (sources.telemetry, "telemetry")):
        for _, script in scripts(f"{schema}/roles"):
            execute(source.url, script)
    for login, role in zip(LOGINS, ("bionicpro_crm_reader", "bionicpro_telemetry_reader", None, None), strict=True):
        execute(sources.admin, f"CREATE ROLE {login} LOGIN" + (f" IN ROLE {role}" if role else ""))
    execute(sources.admin, "GRANT bionicpro_telemetry_reader, bionicpro_telemetry_rollup TO etl_rollup")


def as_user(source: PostgresSource, user: str) -> PostgresSource:
    parts = urlsplit(source.url)
    url = urlunsplit(parts._replace(netloc=f"{user}@{parts.netloc.rpartition('@')[2]}"))
    return replace(source, url=url if parts.netloc else source.url.replace("://", f"://{user}@", 1))


def attempts(source: PostgresSource, schema: str) -> Mapping[str, str]:
    """Name and statement of everything that is tried in a database: its catalog decides, not a list."""
    relations = execute(
        source.url,
        "SELECT c.relname, c.relkind, min(a.attname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = 2 WHERE n.nspname = %s AND c.relkind IN ('r', 'p', 'v') "
        # Of the partitions, one stands for all.
        "AND (NOT c.relispartition OR c.relname = 'raw_telemetry_default') "
        "GROUP BY 1, 2 ORDER BY 1",
        (schema,),
    )
    assert len(relations) >= 4
    tried = {
        f"{verb} {name}": template.format(
            relation=f"{schema}.{name}", column=f'"{column}"', kind="VIEW" if kind == "v" else "TABLE"
        )
        for name, kind, column in relations
        for verb, template in TRIES.items()
    }
    return tried | OTHERS[schema]


def allowed(source: PostgresSource, role: str, tried: Mapping[str, str]) -> set[str]:
    """What the role does without an error, each in a transaction that is rolled back."""
    done = set()
    with closing(psycopg2.connect(source.url)) as connection, connection.cursor() as cursor:
        for name, statement in tried.items():
            cursor.execute(f"SET SESSION AUTHORIZATION {role}")
            try:
                cursor.execute(statement)
                done.add(name)
            except REFUSED:
                pass
            connection.rollback()
    return done


def not_refused(source: PostgresSource, role: str, statement: str) -> bool:
    """Whether the role comes past the privileges, be it only as far as a constraint."""
    try:
        return bool(allowed(source, role, {"it": statement}))
    except errors.IntegrityError:
        return True


@pytest.mark.parametrize(("schema", "role"), list(MAY), ids=lambda v: v)
def test_a_role_may_do_just_what_the_table_says(roles, schema, role):
    source = getattr(roles, schema)
    tried = attempts(source, schema)
    assert allowed(source, "etl_nobody" if role == "nobody" else role, tried) == MAY[schema, role]


@pytest.mark.parametrize("schema", ["crm", "telemetry"])
def test_the_owner_may_do_what_the_roles_may_not(roles, schema):
    # Or a statement that never works would pass for one that is forbidden.
    source = getattr(roles, schema)
    tried = attempts(source, schema)
    owner = execute(source.url, "SELECT current_user")[0][0]
    impossible = {
        n
        for n in tried
        if n.startswith(("INSERT", "UPDATE", "DELETE", "TRUNCATE")) and n.endswith(("prosthesis", "partitions"))
    }
    impossible |= {n for n in tried if n.startswith("TRUNCATE v_")}
    # These come as far as the table's constraints, which is past its privileges.
    constrained = {n for n in tried if n.startswith(("INSERT", "TRUNCATE"))}
    done = {name for name in tried if name in constrained and not_refused(source, owner, tried[name])}
    done |= allowed(source, owner, {name: tried[name] for name in tried if name not in constrained})
    assert done == set(tried) - impossible


def test_a_caller_cannot_lead_the_roll_up_astray(roles):
    hour = datetime(2026, 1, 1, tzinfo=UTC)
    roles.in_telemetry(
        "INSERT INTO telemetry.raw_telemetry (chip_id, timestamp, movement_type) VALUES ('A', %s, 'grip')", (hour,)
    )
    with closing(psycopg2.connect(as_user(roles.telemetry, "etl_rollup").url)) as connection:
        with connection.cursor() as cursor:
            cursor.execute("CREATE TEMP TABLE raw_retention (kept_since timestamptz)")
            cursor.execute(
                "CREATE FUNCTION pg_temp.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT NULL::timestamptz'"
            )
            cursor.execute("SET search_path = pg_temp, telemetry, pg_catalog")
            cursor.execute(ROLL_UP)
            assert cursor.fetchone() == (1,)
        connection.commit()
    assert roles.in_telemetry("SELECT chip_id, movements_count FROM telemetry.hourly_stats") == [("A", 1)]


def test_roles_can_be_applied_again_and_keep_their_users(roles):
    for source, schema in ((roles.crm, "crm"), (roles.telemetry, "telemetry")):
        for _, script in scripts(f"{schema}/roles"):
            execute(source.url, script)
    assert execute(as_user(roles.telemetry, "etl_rollup").url, ROLL_UP) == [(0,)]


def test_the_whole_job_needs_no_more_than_the_roles(roles, clickhouse, tmp_path, monkeypatch):
    hour = floor_hour(datetime.now(UTC)) - timedelta(hours=1)
    roles.add_wearer("CHIP-1", "anna")
    roles.in_telemetry(
        "INSERT INTO telemetry.raw_telemetry (chip_id, timestamp, movement_type) VALUES ('CHIP-1', %s, 'grip')",
        (hour,),
    )
    monkeypatch.setenv("BIONICPRO_CRM_DB_URL", as_user(roles.crm, "etl_crm").url)
    monkeypatch.setenv("BIONICPRO_TELEMETRY_DB_URL", as_user(roles.telemetry, "etl_rollup").url)
    monkeypatch.setenv("BIONICPRO_CLICKHOUSE_URL", f"chdb://{tmp_path}/clickhouse")
    monkeypatch.setenv("BIONICPRO_HOME", str(tmp_path / "home"))
    with Platform.open(roles, clickhouse) as platform:
        platform.load(hour, hour)
        assert len(platform.mart()) == 1
        assert platform.mart() == roles.expected_mart(hour, hour)


def test_setting_up_the_schema_again_leaves_the_roles_as_they_are(roles):
    apply_postgres_schema(roles.crm, "crm")
    apply_postgres_schema(roles.telemetry, "telemetry")
    assert execute(as_user(roles.telemetry, "etl_rollup").url, ROLL_UP) == [(0,)]
    for (schema, role), may in MAY.items():
        source = getattr(roles, schema)
        user = "etl_nobody" if role == "nobody" else role
        assert allowed(source, user, attempts(source, schema)) == may, role


def test_without_the_role_a_run_says_what_to_grant(roles, clickhouse, tmp_path, monkeypatch):
    hour = floor_hour(datetime.now(UTC)) - timedelta(hours=1)
    monkeypatch.setenv("BIONICPRO_CRM_DB_URL", as_user(roles.crm, "etl_crm").url)
    # Only the reader's role, and the roll-up is asked of it.
    monkeypatch.setenv("BIONICPRO_TELEMETRY_DB_URL", as_user(roles.telemetry, "etl_telemetry").url)
    monkeypatch.setenv("BIONICPRO_CLICKHOUSE_URL", f"chdb://{tmp_path}/clickhouse")
    with Platform.open(roles, clickhouse) as platform:
        failures = platform.run(hour, hour).failures
    assert any("permission denied for function aggregate_hourly_stats" in f for f in failures)
    assert any("BIONICPRO_TELEMETRY_DB_URL" in f for f in failures)


READ_BY_METRICS = {
    "runs", "daemon_heartbeats", "secondary_indexes", "event_logs", "asset_keys", "asset_check_executions",
    "instigators", "kvs",
}  # fmt: skip


@pytest.fixture
def dagster_db(sources, tmp_path) -> Iterator[PostgresSource]:
    """Dagster's database with its tables and a run in it, and a login with the role of the metrics."""
    execute(sources.admin, "CREATE DATABASE dagster_of_roles", autocommit=True)
    source = source_for(sources.admin, "crm", "dagster_of_roles")
    with instance_in(source, tmp_path) as instance:
        create_run_for_test(instance, job_name="bionicpro_reports_etl", status=dg.DagsterRunStatus.SUCCESS)
    for _ in range(2):
        for _, script in scripts("dagster/roles"):
            execute(source.url, script)
    execute(source.url, "CREATE ROLE metrics LOGIN IN ROLE bionicpro_metrics")
    yield source
    execute(source.url, "DROP OWNED BY metrics, bionicpro_metrics")
    execute(sources.admin, "DROP DATABASE dagster_of_roles WITH (FORCE)", autocommit=True)
    execute(sources.admin, "DROP ROLE metrics, bionicpro_metrics")


def instance_in(source: PostgresSource, folder: Path) -> dg.DagsterInstance:
    config = {"postgres_url": source.url.replace("postgresql://", "postgresql+psycopg2://")}
    storage = {"module": "bionicpro_assets.postgres_storage", "class": "BatchedPostgresStorage", "config": config}
    (folder / "dagster.yaml").write_text(yaml.safe_dump({"storage": {"custom": storage}}))
    return dg.DagsterInstance.from_config(str(folder))


def test_the_metrics_read_of_dagsters_database_just_what_they_show(dagster_db, tmp_path, monkeypatch):
    tried = attempts(dagster_db, "public")
    assert allowed(dagster_db, "metrics", tried) == {f"SELECT {table}" for table in READ_BY_METRICS}
    for name in ("CRM_DB", "TELEMETRY_DB"):
        monkeypatch.setenv(f"BIONICPRO_{name}_URL", "postgresql://nobody@nowhere/not_read_by_metrics")
    monkeypatch.setenv("BIONICPRO_CLICKHOUSE_URL", f"chdb://{tmp_path}/clickhouse")
    with instance_in(as_user(dagster_db, "metrics"), tmp_path) as instance:
        read = {name: list(samples()) for name, samples in sources_of(Settings.load(), instance).items()}
    assert {name for name, samples in read.items() if not samples} <= {"alerts", "checks"}
    assert any(s.name == "bionicpro_runs_ended_last_day" and s.value == 1 for s in read["runs"])
