"""Connections to the sources: where they lead, what is said of those that fail, and that no wait is without an end."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from bionicpro_assets.errors import SourceError
from bionicpro_assets.extract import connect
from bionicpro_assets.extract.connect import sqlstate_of_refusal
from bionicpro_assets.extract.contract import CUSTOMER_PROSTHESIS
from bionicpro_assets.extract.crm import crm_answer
from bionicpro_assets.extract.postgres import PostgresSource
from bionicpro_assets.extract.telemetry import extract_hourly_telemetry, roll_up
from bionicpro_assets.settings import Settings
from bionicpro_assets_tests.integration.sources import Sources, execute

HOUR = datetime(2026, 11, 24, 8, tzinfo=UTC)
SECRET = "s3cr3t"

# As libpq knows them: where to, and as what session. A URL that names its host must not be led elsewhere.
VARIABLES = {
    "PGHOST": "nowhere.invalid",
    "PGHOSTADDR": "192.0.2.1",
    "PGPORT": "1",
    "PGDATABASE": "nowhere",
    "PGCONNECT_TIMEOUT": "1",
    "PGOPTIONS": "-c default_transaction_read_only=on -c search_path=nowhere",
}


@pytest.fixture
def fleet(sources: Sources) -> Sources:
    """Two people with a name in Cyrillic, an hour that is rolled up and raw rows to roll up."""
    for number in (1, 2):
        sources.add_wearer(f"C{number}", f"u{number}")
        sources.add_hour(f"C{number}", HOUR, avg_response_time=121.237)
    return sources


def set_everywhere(sources: Sources, setting: str) -> None:
    for source in (sources.crm, sources.telemetry):
        execute(sources.admin, f"ALTER DATABASE {urlsplit(source.url).path[1:]} SET {setting}", autocommit=True)


def read(sources: Sources) -> tuple[list[tuple[object, ...]], ...]:
    """The rows of both sources, as the platform reads them, after a roll-up that does nothing."""
    roll_up(sources.telemetry, [HOUR.replace(hour=1)])
    with sources.crm.snapshot() as snapshot:
        CUSTOMER_PROSTHESIS.check(snapshot)
        people = crm_answer(snapshot).rows
    return sorted(people.rows()), sorted(extract_hourly_telemetry(sources.telemetry, [HOUR]).rows.rows())


@pytest.mark.parametrize(
    "setting",
    ["default_transaction_isolation = 'serializable'", "default_transaction_read_only = on", "lock_timeout = '1ms'"],
)
def test_a_roll_up_sees_what_others_have_committed_whatever_the_database_has_set(fleet, setting):
    set_everywhere(fleet, setting)
    with (
        fleet.telemetry.writer() as connection,
        connect.transaction(connection, limits="limits", seconds=60) as (cursor, _),
    ):
        count = "SELECT count(*) FROM telemetry.hourly_stats WHERE chip_id = 'C3'"
        cursor.execute(count)
        assert cursor.fetchone() == (0,)
        fleet.in_telemetry(
            "SET TRANSACTION READ WRITE; INSERT INTO telemetry.hourly_stats (chip_id, hour_start) SELECT 'C3', now()"
        )
        cursor.execute(count)
        assert cursor.fetchone() == (1,)
        cursor.execute("DELETE FROM telemetry.hourly_stats WHERE chip_id = 'C3'")


@pytest.mark.parametrize("name", VARIABLES)
def test_no_variable_of_the_environment_changes_what_is_read(fleet, monkeypatch, name):
    expected = read(fleet)
    with connected_by_tcp(fleet) as by_tcp, monkeypatch.context() as environment:
        environment.setenv(name, VARIABLES[name])
        assert read(by_tcp) == expected


# ---- connection strings


@contextmanager
def connected_by_tcp(sources: Sources, listen: str = "127.0.0.1") -> Iterator[Sources]:
    """The same databases through a port of this machine, which leads to the server's socket."""
    with relay(socket_of(sources.admin), listen) as port:
        crm, telemetry = (
            replace(source, url=f"postgresql://postgres@{listen}:{port}{urlsplit(source.url).path}")
            for source in (sources.crm, sources.telemetry)
        )
        yield replace(sources, crm=crm, telemetry=telemetry)


def socket_of(url: str) -> str:
    folder = Path(parse_qs(urlsplit(url).query)["host"][0])
    return str(next(path for path in folder.glob(".s.PGSQL.*") if not path.name.endswith(".lock")))


@contextmanager
def relay(path: str, listen: str = "127.0.0.1", change: Callable[[bytes], bytes] = bytes) -> Iterator[int]:
    """A port that leads to a local socket; what the server says goes through `change`."""
    with socket.create_server((listen, 0)) as listener:

        def pump(source: socket.socket, target: socket.socket, by: Callable[[bytes], bytes]) -> None:
            with suppress(OSError):
                while data := source.recv(65536):
                    target.sendall(by(data))
            for end in (source, target):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    server = socket.socket(socket.AF_UNIX)
                    server.connect(path)
                    for ends in ((client, server, bytes), (server, client, change)):
                        threading.Thread(target=pump, args=ends, daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_of_several_hosts_one_that_answers_is_enough(fleet):
    expected = read(fleet)
    closed = closed_port()
    with connected_by_tcp(fleet) as by_tcp:
        crm, telemetry = (
            replace(source, url=source.url.replace("@", f"@127.0.0.1:{closed},") + "?target_session_attrs=read-write")
            for source in (by_tcp.crm, by_tcp.telemetry)
        )
        several = replace(by_tcp, crm=crm, telemetry=telemetry)
        assert several.crm.place.startswith(f"crm_db (127.0.0.1:{closed},127.0.0.1:")
        assert read(several) == expected


@pytest.mark.parametrize("password", ["a#b", "a?b", "a&b=c", "a;b", "a'b\\c", "a b", "a%40b"])
def test_a_url_that_libpq_reads_connects(fleet, monkeypatch, password):
    expected = read(fleet)
    with connected_by_tcp(fleet) as by_tcp:
        url = by_tcp.crm.url.replace("postgres@", f"postgres:{password}@")
        monkeypatch.setenv("BIONICPRO_CRM_DB_URL", url)
        monkeypatch.setenv("BIONICPRO_TELEMETRY_DB_URL", by_tcp.telemetry.url)
        monkeypatch.setenv("BIONICPRO_CLICKHOUSE_URL", "chdb:///nowhere")
        settings = Settings.load()
        crm = replace(by_tcp.crm, url=settings.secret("BIONICPRO_CRM_DB_URL"))
        assert read(replace(by_tcp, crm=crm)) == expected


# ---- failures


def refused(source: PostgresSource) -> tuple[SourceError, SourceError]:
    """What both drivers say."""
    with pytest.raises(SourceError) as reader, source.snapshot():
        pass
    with pytest.raises(SourceError) as writer, source.writer():
        pass
    for caught in (reader, writer):
        assert "\n" not in str(caught.value)
        assert SECRET not in str(caught.value)
    return reader.value, writer.value


def in_russian(data: bytes) -> bytes:
    """Errors as a server says them that speaks Russian, in KOI8-R."""
    if data[:1] != b"E":
        return data
    fields = [(f[:1], f[1:]) for f in data[5:].split(b"\0") if f]
    said = {b"S": "ВАЖНО".encode("koi8-r"), b"M": "нет, так нельзя".encode("koi8-r")}
    body = b"".join(kind + said.get(kind, value) + b"\0" for kind, value in fields) + b"\0"
    return b"E" + struct.pack("!I", len(body) + 4) + body


@pytest.mark.parametrize("change", [bytes, in_russian], ids=["English", "Russian"])
@pytest.mark.parametrize(
    ("preparing", "user", "database", "code", "retryable"),
    [
        ("", "postgres", "nowhere", "3D000", False),
        ("", "nobody_at_all", "", "28", False),
        ("CREATE ROLE full_up LOGIN CONNECTION LIMIT 0", "full_up", "", "53300", True),
        ("CREATE ROLE no_login NOLOGIN", "no_login", "", "28000", False),
    ],
)
def test_a_refusal_is_told_by_its_code_in_any_language(
    fleet, change, preparing, user, database, code, retryable, monkeypatch
):
    monkeypatch.setattr("bionicpro_assets.extract.postgres.SECONDS_FOR_A_FREE_CONNECTION", 0.0)
    with open_door(fleet.admin), relay(socket_of(fleet.admin), change=change) as port:
        if preparing:
            execute(fleet.admin, preparing, autocommit=True)
        try:
            name = database or urlsplit(fleet.crm.url).path[1:]
            source = replace(fleet.crm, url=f"postgresql://{user}:{SECRET}@127.0.0.1:{port}/{name}")
            assert sqlstate_of_refusal(source.url).startswith(code)
            for error in refused(source):
                assert error.retryable is retryable
                assert ("refuses the connection" in str(error)) is not retryable
                assert ("Raise the limit" in str(error)) is retryable
        finally:
            if preparing:
                execute(fleet.admin, f"DROP ROLE {user}", autocommit=True)


@contextmanager
def open_door(admin: str) -> Iterator[None]:
    """The server lets everybody in who may log in, whatever user of this machine that is."""
    rules = Path(parse_qs(urlsplit(admin).query)["host"][0]) / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text("local all all trust\n")
    execute(admin, "SELECT pg_reload_conf()")
    try:
        yield
    finally:
        rules.write_text(before)
        execute(admin, "SELECT pg_reload_conf()")


@contextmanager
def silent_server(greeting: bytes) -> Iterator[int]:
    """Takes every connection, says at most a greeting to its first message, and nothing more."""
    kept = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    kept.append(client)
                    if greeting:
                        # To the question for TLS: no.
                        length, code = struct.unpack("!II", client.recv(8))
                        if code in (80877103, 80877104):
                            client.sendall(b"N")
                            length, _code = struct.unpack("!II", client.recv(8))
                        client.recv(length - 8)
                        client.sendall(greeting)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        for client in kept:
            client.close()


WELCOME = b"R\0\0\0\x08\0\0\0\0" + b"Z\0\0\0\x05I"


@pytest.mark.parametrize("greeting", [b"", WELCOME], ids=["before the login", "after the login"])
def test_a_server_that_stays_silent_is_left_with_a_sentence(greeting, monkeypatch):
    monkeypatch.setattr(connect, "CONNECT_SECONDS", 2)
    monkeypatch.setattr(connect, "ANSWER_SECONDS", 1.0)
    with silent_server(greeting) as port:
        source = PostgresSource("crm_db", f"postgresql://etl:{SECRET}@127.0.0.1:{port}/db", "BIONICPRO_CRM_DB_URL")
        began = time.monotonic()
        with pytest.raises(SourceError) as caught, source.snapshot():
            pass
        assert time.monotonic() - began < 20
    assert str(caught.value).startswith(f"crm_db (127.0.0.1:{port}/db) ")
    assert caught.value.retryable
    assert SECRET not in str(caught.value)


def test_a_server_that_falls_silent_within_a_read_is_left_with_a_sentence(fleet, monkeypatch):
    monkeypatch.setattr(connect, "READ_SECONDS", 1.0)
    with pytest.raises(SourceError, match="hasn't answered for 1 s"), fleet.crm.snapshot() as snapshot:
        snapshot.read("SELECT pg_sleep(4)::text")


def test_a_server_that_falls_silent_within_a_roll_up_is_left_with_a_sentence(fleet):
    with (
        pytest.raises(SourceError) as caught,
        fleet.telemetry.writer() as connection,
        connect.transaction(connection, limits="limits", seconds=1) as (cursor, _),
    ):
        cursor.execute("SELECT pg_sleep(30)")
    assert caught.value.retryable


def test_a_shared_connection_is_left_as_it_was(fleet):
    show = (
        "SELECT name, setting FROM pg_settings WHERE source = 'session' AND name NOT LIKE 'transaction_%%' ORDER BY 1"
    )
    with fleet.telemetry.writer() as connection:
        with connection, connection.cursor() as cursor:
            cursor.execute(show)
            before = cursor.fetchall()
        with connect.transaction(connection, limits="limits", seconds=60) as (cursor, _):
            cursor.execute("SHOW lock_timeout")
            assert cursor.fetchone() == ("30s",)
        with connection, connection.cursor() as cursor:
            cursor.execute(show)
            assert cursor.fetchall() == before
