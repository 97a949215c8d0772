"""What is read of the sources doesn't depend on what a role, a database, the environment or a URL has set."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote
from uuid import uuid4

import pytest

from bionicpro_assets.errors import SourceError
from bionicpro_assets.extract.contract import CUSTOMER_PROSTHESIS
from bionicpro_assets.extract.crm import crm_answer
from bionicpro_assets.extract.postgres import PostgresSource
from bionicpro_assets.extract.telemetry import extract_hourly_telemetry, roll_up
from bionicpro_assets.setup.postgres import apply_postgres_schema
from bionicpro_assets_tests.integration.sources import as_user, execute, reader_of, source_for

HOUR = datetime(2026, 11, 24, 8, tzinfo=UTC)
NAME = "Иванова Анна Петровна"
# Worked out by hand: 121.237 and 77.114 to two digits.
AVERAGES = (121.24, 77.11)
CHANGED = datetime(2026, 3, 2, 4, 5, 6, 789, tzinfo=UTC)

OF_A_ROLE = {
    "client_encoding": ["WIN1251", "KOI8R", "ISO_8859_5", "SQL_ASCII", "LATIN1", "UTF8"],
    "datestyle": ["'German'", "'SQL, DMY'", "'Postgres, YMD'"],
    "intervalstyle": ["iso_8601", "sql_standard"],
    "timezone": ["'America/St_Johns'", "'Asia/Kathmandu'", "'Europe/Moscow'"],
    "timezone_abbreviations": ["'India'"],
    "extra_float_digits": ["-15", "0", "3"],
    "quote_all_identifiers": ["on"],
    "standard_conforming_strings": ["off"],
    "transform_null_equals": ["on"],
    "bytea_output": ["escape"],
    "array_nulls": ["off"],
    "search_path": ["evil, pg_catalog", "''", "nowhere"],
    "default_transaction_read_only": ["on"],
    "default_transaction_isolation": ["serializable", "'read committed'"],
    "default_transaction_deferrable": ["on"],
    "client_min_messages": ["debug5"],
    "enable_seqscan": ["off"],
    "jit": ["on"],
}
CELLS = [(name, value) for name, values in OF_A_ROLE.items() for value in values]
# A function that another schema puts before PostgreSQL's own.
EVIL = """CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC;
CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT '2000-01-01'::timestamptz $$;
CREATE FUNCTION evil.set_config(text, text, boolean) RETURNS text LANGUAGE sql AS $$ SELECT ''::text $$"""


@pytest.fixture
def filled(sources):
    """One patient, with one hour."""
    sources.add_wearer("C1", "user1")
    sources.in_crm(
        "ALTER TABLE crm.prostheses DISABLE TRIGGER USER; UPDATE crm.prostheses SET updated_at = %s", (CHANGED,)
    )
    sources.add_hour("C1", HOUR)
    for ask in (sources.in_crm, sources.in_telemetry):
        ask(EVIL)
    return sources


def assert_read(crm: PostgresSource, telemetry: PostgresSource) -> None:
    """Both sources give what stands in them, to the letter."""
    with crm.snapshot() as snapshot:
        CUSTOMER_PROSTHESIS.check(snapshot)
        answer = crm_answer(snapshot)
    assert answer.rows.select("customer_full_name", "prosthesis_updated_at").rows() == [(NAME, CHANGED)]
    assert abs((answer.read_at - datetime.now(UTC)).total_seconds()) < 3600
    frame = extract_hourly_telemetry(telemetry, [HOUR])
    assert frame.rows.select("chip_id", "hour_start").rows() == [("C1", HOUR)]
    assert frame.rows.select("avg_response_time", "avg_battery_level").rows() == [AVERAGES]


def test_whatever_a_role_has_set(filled):
    granted = {filled.crm: "crm.v_customer_prosthesis", filled.telemetry: "telemetry.v_hourly_telemetry"}
    for name, value in CELLS:
        with reader_of(filled.admin, granted) as role:
            execute(filled.admin, f"ALTER ROLE {role} SET {name} = {value}", autocommit=True)
            try:
                assert_read(as_user(filled.crm, role), as_user(filled.telemetry, role))
            except (AssertionError, SourceError) as error:
                error.add_note(f"{name} = {value}")
                raise


def test_whatever_a_database_has_set(filled):
    for source in (filled.crm, filled.telemetry):
        with source.snapshot() as snapshot:
            database = snapshot.read("SELECT current_database()::text").item()
        for name, value in [("client_encoding", "WIN1251"), ("datestyle", "'German'"), ("quote_all_identifiers", "on")]:
            execute(filled.admin, f"ALTER DATABASE {database} SET {name} = {value}", autocommit=True)
    assert_read(filled.crm, filled.telemetry)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PGCLIENTENCODING", "WIN1251"), ("PGDATESTYLE", "German"), ("PGTZ", "Asia/Kathmandu"),
        ("PGOPTIONS", "-c quote_all_identifiers=on -c extra_float_digits=-15"), ("PGAPPNAME", "somebody"),
    ],
)  # fmt: skip
def test_whatever_the_environment_has_set(filled, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert_read(filled.crm, filled.telemetry)


def with_option(source: PostgresSource, options: str) -> PostgresSource:
    return replace(source, url=f"{source.url}&{options}")


@pytest.mark.parametrize(
    "options",
    [
        "client_encoding=LATIN1", "application_name=mine", "connect_timeout=5", "target_session_attrs=any",
        "options=" + quote("-c client_encoding=KOI8R -c datestyle=German"),
    ],
)  # fmt: skip
def test_whatever_the_url_has_set(filled, options):
    assert_read(with_option(filled.crm, options), with_option(filled.telemetry, options))


def test_several_hosts(filled):
    """The first is not there; libpq goes on to the second."""
    folder = filled.crm.url.partition("host=")[2]

    def two(source: PostgresSource) -> PostgresSource:
        return replace(source, url=source.url.replace(f"host={folder}", f"host=/nowhere,{folder}"))

    assert_read(two(filled.crm), two(filled.telemetry))
    away = PostgresSource("crm_db", "postgresql://u:secret@127.0.0.1:1,localhost:2/crm?connect_timeout=2", "X")
    assert away.place == "crm_db (127.0.0.1:1,localhost:2/crm)"
    with pytest.raises(SourceError, match=r"can't be reached") as caught, away.snapshot():
        pass
    assert "secret" not in str(caught.value)


def test_a_connection_is_left_as_it_was(filled):
    """What a pooler gives to the next user: the settings are those of the transaction alone."""
    with filled.crm.snapshot() as snapshot:
        cursor = snapshot.cursor
        assert snapshot.read("SELECT current_setting('search_path')").item() == '"$user", public'
        cursor.execute("COMMIT")
        cursor.execute("SELECT current_setting('search_path'), current_setting('statement_timeout')")
        assert cursor.fetchone() == ('"$user", public', "0")


@contextmanager
def database_in(admin: str, encoding: str) -> Iterator[PostgresSource]:
    name = f"encoded_{uuid4().hex[:12]}"
    execute(
        admin,
        f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0",
        autocommit=True,
    )
    try:
        source = source_for(admin, "crm", name)
        apply_postgres_schema(source, "crm")
        yield source
    finally:
        execute(admin, f"DROP DATABASE {name} WITH (FORCE)", autocommit=True)


def add_name(source: PostgresSource, name: bytes) -> None:
    """A patient whose name is made of these bytes, whatever the database takes them for."""
    execute(
        source.url,
        "INSERT INTO crm.customers (external_id, first_name, last_name, email, region) "
        "VALUES ('u', 'Anna', convert_from(%s, getdatabaseencoding()), 'a@b.example', 'russia'); "
        "INSERT INTO crm.prosthesis_models (model_code, model_name, category) VALUES ('M', 'Model', 'hand'); "
        "INSERT INTO crm.prostheses (serial_number, model_id, customer_id, chip_id) "
        "SELECT 'S', model_id, customer_id, 'C1' FROM crm.customers, crm.prosthesis_models",
        (name,),
    )


def names(source: PostgresSource) -> list[str]:
    with source.snapshot() as snapshot:
        return crm_answer(snapshot).rows["customer_full_name"].to_list()


@pytest.mark.parametrize(
    ("encoding", "codec", "name"),
    [
        ("WIN1251", "cp1251", "Ёлкин"), ("KOI8R", "koi8-r", "Ёлкин"), ("ISO_8859_5", "iso8859-5", "Ёлкин"),
        ("LATIN1", "latin-1", "Müller"), ("UTF8", "utf-8", "Ёлкин 李"), ("SQL_ASCII", "utf-8", "Ёлкин 李"),
    ],
)  # fmt: skip
def test_a_database_in_another_encoding(postgres_server, encoding, codec, name):
    with database_in(postgres_server, encoding) as source:
        add_name(source, name.encode(codec))
        assert names(source) == [f"{name} Anna"]


def test_bytes_that_are_no_text_are_refused(postgres_server):
    with database_in(postgres_server, "SQL_ASCII") as source:
        add_name(source, "Ёлкин".encode("cp1251"))
        with pytest.raises(SourceError, match=r"^crm_db \(.*\) has text that can't be read as UTF-8: "):
            names(source)


def test_the_roll_up_is_no_other_where_the_database_has_set_something(filled):
    """Two readings at the ends of the hour: a zone of half an hour would put them into two."""
    readings = [HOUR, HOUR + timedelta(minutes=59)]
    insert = "INSERT INTO telemetry.raw_telemetry (chip_id, timestamp, movement_type) VALUES ('C2', %s, 'grip')"
    for reading in readings:
        filled.in_telemetry(insert, (reading,))
    with filled.telemetry.snapshot() as snapshot:
        database = snapshot.read("SELECT current_database()::text").item()
    for name, value in [("timezone", "'Asia/Kathmandu'"), ("datestyle", "'German'"), ("client_encoding", "WIN1251")]:
        execute(filled.admin, f"ALTER DATABASE {database} SET {name} = {value}", autocommit=True)
    assert roll_up(filled.telemetry, [HOUR]).written == {HOUR: 1}
    found = filled.in_telemetry(
        "SELECT extract(epoch FROM hour_start)::bigint, movements_count FROM telemetry.hourly_stats WHERE chip_id = 'C2'"
    )
    assert found == [(int(HOUR.timestamp()), 2)]
