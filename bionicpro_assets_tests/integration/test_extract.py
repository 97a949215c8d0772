"""Reading the sources: what is read, and what is said when it can't be."""

import socket
import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import polars as pl
import pytest

from bionicpro_assets.errors import SourceError
from bionicpro_assets.extract.contract import CUSTOMER_PROSTHESIS
from bionicpro_assets.extract.crm import crm_answer
from bionicpro_assets.extract.postgres import PostgresSource
from bionicpro_assets.extract.telemetry import extract_hourly_telemetry, read_parts, roll_up
from bionicpro_assets.steps.crm import extract_crm_hours
from bionicpro_assets.transform.crm_history import CrmAnswer
from bionicpro_assets_tests.integration.sources import Sources, execute, reader_of

HOUR = datetime(2026, 11, 24, 8, tzinfo=UTC)
NEXT = HOUR + timedelta(hours=1)
SECRET = "s3cr3t-w0rd"


@pytest.fixture
def limited(sources: Sources) -> Sources:
    """The sources as a user with a password sees them, who may read the two views and nothing else."""
    data = Path(parse_qs(urlsplit(sources.admin).query)["host"][0])
    rules = (data / "pg_hba.conf").read_text()
    line = "local all limited scram-sha-256\n"
    if line not in rules:
        (data / "pg_hba.conf").write_text(line + rules)
        execute(sources.admin, "SELECT pg_reload_conf()")
        execute(sources.admin, f"CREATE ROLE limited LOGIN PASSWORD '{SECRET}'", autocommit=True)
    for url, view in (
        (sources.crm.url, "crm.v_customer_prosthesis"),
        (sources.telemetry.url, "telemetry.v_hourly_telemetry"),
    ):
        execute(url, f"GRANT USAGE ON SCHEMA {view.split('.')[0]} TO limited; GRANT SELECT ON {view} TO limited")
    return Sources(
        as_user(sources.crm, f"limited:{SECRET}"), as_user(sources.telemetry, f"limited:{SECRET}"), sources.admin
    )


def as_user(source: PostgresSource, user: str) -> PostgresSource:
    return PostgresSource(source.name, source.url.replace("postgres:@", f"{user}@"), source.setting)


def said(call, *arguments) -> str:
    with pytest.raises(SourceError) as caught:
        call(*arguments)
    message = str(caught.value)
    assert SECRET not in message
    assert "\n" not in message
    return message


def test_every_hour_of_the_window_gets_the_crms_answer(sources, clickhouse):
    sources.add_wearer("C1", "anna")
    sources.add_wearer(None, "boris", middle_name=None)
    frame = extract_crm_hours(sources.crm, clickhouse, [HOUR, NEXT])
    rows = sorted(frame.rows.select("hour_start", "user_id", "chip_id", "customer_full_name").iter_rows(), key=str)
    assert rows == [
        (hour, user, chip, name)
        for hour in (HOUR, NEXT)
        for user, chip, name in (("anna", "C1", "Иванова Анна Петровна"), ("boris", None, "Иванова Анна"))
    ]


def test_telemetry_is_read_for_the_window_and_no_more(sources):
    for hour in (HOUR - timedelta(hours=1), HOUR, NEXT, NEXT + timedelta(hours=1)):
        sources.add_hour("C1", hour)
    frame = extract_hourly_telemetry(sources.telemetry, [HOUR, NEXT])
    assert sorted(frame.rows["hour_start"]) == [HOUR, NEXT]
    assert frame.hours == [HOUR, NEXT]


def test_hours_are_the_same_whatever_the_databases_time_zone(sources):
    sources.add_hour("C1", HOUR)
    name = urlsplit(sources.telemetry.url).path[1:]
    execute(sources.admin, f"ALTER DATABASE {name} SET timezone = 'Asia/Kolkata'", autocommit=True)
    assert extract_hourly_telemetry(sources.telemetry, [HOUR]).rows["hour_start"].to_list() == [HOUR]


def hour_by_hour(source: PostgresSource, hours: Sequence[datetime]) -> Generator[pl.DataFrame]:
    """The telemetry of the hours, each read by itself, in one snapshot."""
    with source.snapshot() as snapshot:
        yield from read_parts(snapshot, [[hour] for hour in hours])


def extract_crm(source: PostgresSource) -> CrmAnswer:
    """What the CRM says now, where its view is as contracted."""
    with source.snapshot() as snapshot:
        CUSTOMER_PROSTHESIS.check(snapshot)
        return crm_answer(snapshot)


def test_an_hour_that_is_no_utc_hour_is_noted_in_its_hour(sources):
    sources.add_hour("C1", HOUR + timedelta(minutes=30))
    rows = extract_hourly_telemetry(sources.telemetry, [HOUR]).rows
    assert rows.select("hour_start", "source_fault").rows() == [(HOUR, "hour_start is not a whole UTC hour")]


def test_all_reads_of_a_snapshot_see_one_instant_by_the_sources_clock(sources):
    sources.add_wearer("C1", "anna")
    with sources.crm.snapshot() as snapshot:
        count = "SELECT count(*) AS n FROM crm.customers"
        before = snapshot.read(count).item()
        sources.add_wearer("C2", "boris")
        assert snapshot.read(count).item() == before == 1
        ((clock,),) = sources.in_crm("SELECT clock_timestamp()")
        assert timedelta(0) <= clock - snapshot.read_at < timedelta(seconds=30)


def test_parts_that_are_read_at_the_same_time_see_one_instant(sources):
    hours = [HOUR + timedelta(hours=n) for n in range(6)]
    for hour in hours:
        sources.add_hour("C1", hour, movements_count=7)
    parts = hour_by_hour(sources.telemetry, hours)
    with closing(parts):
        first = next(parts)
        connected = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in tr%%'"
        )
        assert sources.in_telemetry(connected)[0][0] in (1, 2)  # the second may be reading
        sources.in_telemetry("UPDATE telemetry.hourly_stats SET movements_count = 8")
        sources.add_hour("C2", hours[-1], movements_count=8)
        rest = list(parts)
    assert [rows["hour_start"].to_list() for rows in [first, *rest]] == [[hour] for hour in hours]
    assert [rows["movements_count"].to_list() for rows in [first, *rest]] == [[7]] * 6


def test_who_stops_reading_early_ends_the_other_connection_too(sources):
    hours = [HOUR + timedelta(hours=n) for n in range(6)]
    for hour in hours:
        sources.add_hour("C1", hour)
    with closing(hour_by_hour(sources.telemetry, hours)) as parts:
        next(parts)
    connected = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'bionicpro_assets'"
    for _ in range(50):
        if sources.in_telemetry(connected) == [(0,)]:
            return
        time.sleep(0.1)
    pytest.fail("a connection was left open")


def test_two_connections_see_the_same_where_one_took_the_snapshot(sources):
    sources.add_hour("C1", HOUR)
    with sources.telemetry.snapshot() as snapshot, snapshot.readers(2) as readers:
        sources.add_hour("C2", HOUR)
        counts = [reader.read("SELECT count(*) FROM telemetry.v_hourly_telemetry").item() for reader in readers]
        backends = {reader.read("SELECT pg_backend_pid()").item() for reader in readers}
        assert counts == [1, 1]
        assert len(backends) == 2
        assert readers[1].read_at == snapshot.read_at
        with pytest.raises(SourceError, match="read-only transaction"):
            readers[1].read("DELETE FROM telemetry.hourly_stats")


@pytest.mark.parametrize("obstacle", ["no connection to spare", "may not export a snapshot"])
def test_where_only_one_connection_can_read_it_reads_everything(sources, obstacle):
    hours = [HOUR, NEXT]
    for hour in hours:
        sources.add_hour("C1", hour)
    with reader_of(sources.admin, {sources.telemetry: "telemetry.v_hourly_telemetry"}) as name:
        if obstacle == "no connection to spare":
            execute(sources.admin, f"ALTER ROLE {name} CONNECTION LIMIT 1", autocommit=True)
        else:
            sources.in_telemetry("REVOKE EXECUTE ON FUNCTION pg_export_snapshot() FROM PUBLIC")
        limited = as_user(sources.telemetry, name)
        with limited.snapshot() as snapshot, snapshot.readers(2) as readers:
            assert len(readers) == 1
        parts = list(hour_by_hour(limited, hours))
    assert [rows["hour_start"].to_list() for rows in parts] == [[HOUR], [NEXT]]


def test_a_connection_that_is_about_to_be_free_is_waited_for(sources):
    with reader_of(sources.admin, {sources.telemetry: "telemetry.v_hourly_telemetry"}) as name:
        limited = as_user(sources.telemetry, name)
        with ExitStack() as other, ThreadPoolExecutor(1) as another_thread:
            other.enter_context(limited.snapshot())
            execute(sources.admin, f"ALTER ROLE {name} CONNECTION LIMIT 1", autocommit=True)
            with pytest.raises(SourceError) as caught, limited.snapshot():
                pass
            assert f'too many connections for role "{name}". Raise the limit' in str(caught.value)
            assert caught.value.retryable
            waiting = another_thread.submit(extract_hourly_telemetry, limited, [HOUR])
            time.sleep(0.5)
            assert not waiting.done()
            other.close()
            assert waiting.result().rows.height == 0


def test_a_session_says_who_it_is_and_cannot_write(sources):
    with sources.crm.snapshot() as snapshot:
        # The driver looks the types up in a session of its own first, which may take a moment to be gone.
        for _ in range(50):
            rows = sources.in_crm(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bionicpro_assets' AND datname = current_database()"
            )
            if rows == [(1,)]:
                break
            time.sleep(0.1)
        assert rows == [(1,)]
        with pytest.raises(SourceError, match="read-only transaction"):
            snapshot.read("DELETE FROM crm.customers")


def test_a_reader_of_the_two_views_can_do_all_that_is_needed(sources, limited):
    sources.add_wearer("C1", "anna")
    sources.add_hour("C1", HOUR)
    assert extract_crm(limited.crm).rows.height == 1
    assert extract_hourly_telemetry(limited.telemetry, [HOUR]).rows.height == 1


def test_a_wrong_password(limited):
    wrong = as_user(limited.crm, "").url.replace(SECRET, SECRET + "x")
    message = said(extract_crm, PostgresSource("crm_db", wrong, "BIONICPRO_CRM_DB_URL"))
    assert message.startswith("crm_db (local socket/")
    assert 'refuses the connection: password authentication failed for user "limited"' in message
    assert message.endswith("Check BIONICPRO_CRM_DB_URL.")


def test_a_database_that_doesnt_answer():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    source = PostgresSource(
        "telemetry_db", f"postgresql://etl:{SECRET}@127.0.0.1:{port}/t", "BIONICPRO_TELEMETRY_DB_URL"
    )
    for call in (extract_hourly_telemetry, roll_up):
        with pytest.raises(SourceError) as caught:
            call(source, [HOUR])
        message = str(caught.value)
        assert message.startswith(f"telemetry_db (127.0.0.1:{port}/t) can't be reached: ")
        assert "Connection refused" in message
        assert caught.value.retryable


def test_a_database_that_doesnt_exist(sources):
    url = sources.crm.url.replace("/crm_", "/nowhere_")
    message = said(extract_crm, PostgresSource("crm_db", url, "BIONICPRO_CRM_DB_URL"))
    assert "does not exist" in message


def test_a_view_that_is_missing(sources):
    sources.in_crm("DROP VIEW crm.v_customer_prosthesis")
    message = said(extract_crm, sources.crm)
    assert "crm_db" in message
    assert "there is no crm.v_customer_prosthesis" in message


def test_columns_that_are_missing_or_of_another_type_are_all_named(sources):
    sources.in_telemetry(
        "ALTER VIEW telemetry.v_hourly_telemetry RENAME TO before; "
        "CREATE VIEW telemetry.v_hourly_telemetry AS SELECT chip_id, hour_start::timestamp AS hour_start, "
        "movements_count::text AS movements_count, successful_movements, success_rate, avg_response_time::float4, "
        "min_response_time, max_response_time, min_battery_level, max_battery_level, avg_battery_level, "
        "avg_actuator_temp, max_actuator_temp, warning_count, avg_myo_amplitude, avg_connection_quality, updated_at "
        "FROM telemetry.before"
    )
    message = said(extract_hourly_telemetry, sources.telemetry, [HOUR])
    assert "telemetry_db" in message
    for part in (
        "telemetry.v_hourly_telemetry isn't what the data contract says",
        "column hour_start is timestamp without time zone and should be timestamp with time zone",
        "column movements_count is text and should be bigint, integer or smallint",
        "column error_count is missing",
    ):
        assert part in message
    assert "avg_response_time" not in message, "float4 is a number too"


def test_a_permission_that_is_missing(sources, limited):
    sources.in_crm("REVOKE ALL ON crm.v_customer_prosthesis FROM limited")
    message = said(extract_crm, limited.crm)
    assert "permission denied for view v_customer_prosthesis. Grant it to the user of BIONICPRO_CRM_DB_URL." in message


def test_a_roll_up_function_that_is_missing(sources):
    sources.in_telemetry("DROP FUNCTION telemetry.aggregate_hourly_stats")
    message = said(roll_up, sources.telemetry, [HOUR])
    assert "aggregate_hourly_stats(timestamp with time zone) does not exist" in message


def test_the_roll_up_says_how_many_rows_changed(sources):
    sources.in_telemetry(
        "INSERT INTO telemetry.raw_telemetry (chip_id, timestamp) VALUES ('C1', %s), ('C2', %s)", (HOUR, NEXT)
    )
    assert roll_up(sources.telemetry, [HOUR, NEXT]).written == {HOUR: 1, NEXT: 1}
    assert roll_up(sources.telemetry, [HOUR, NEXT]).written == {HOUR: 0, NEXT: 0}
