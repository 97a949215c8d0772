"""A source database that hangs, restarts or cancels while it is read."""

import threading
import time
from contextlib import closing
from datetime import UTC, datetime
from urllib.parse import urlsplit

import psycopg2
import pytest

from bionicpro_assets.errors import SourceError
from bionicpro_assets.extract import postgres
from bionicpro_assets.extract.telemetry import extract_hourly_telemetry, roll_up
from bionicpro_assets.sqlfiles import sql
from bionicpro_assets_tests.integration.sources import execute

HOUR = datetime(2026, 11, 24, 8, tzinfo=UTC)


@pytest.fixture
def impatient(monkeypatch):
    """The limits of a read, a hundred times shorter."""

    def shorter(path: str) -> str:
        text = sql(path)
        if path == "postgres/limits.sql":
            assert "'lock_timeout', '30s'" in text
            assert "'statement_timeout', '10min'" in text
            text = text.replace("'30s'", "'300ms'").replace(
                "'statement_timeout', '10min'", "'statement_timeout', '600ms'"
            )
        return text

    monkeypatch.setattr(postgres, "sql", shorter)


def slow_view(sources, expression: str) -> None:
    """Every row of the view takes its time, or fails."""
    ((view,),) = sources.in_telemetry("SELECT pg_get_viewdef('telemetry.v_hourly_telemetry'::regclass)")
    condition = f" WHERE {expression}"
    sources.in_telemetry(
        "CREATE OR REPLACE VIEW telemetry.v_hourly_telemetry AS " + view.rstrip().rstrip(";") + condition
    )


def failure(sources) -> SourceError:
    with pytest.raises(SourceError) as caught:
        extract_hourly_telemetry(sources.telemetry, [HOUR])
    assert str(caught.value).startswith("telemetry_db (local socket/")
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_lock_that_somebody_holds_ends_the_read_and_may_pass(sources, impatient):
    sources.add_hour("C1", HOUR)
    with closing(psycopg2.connect(sources.telemetry.url)) as holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLE telemetry.hourly_stats IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        error = failure(sources)
    assert 0.2 < time.monotonic() - began < 5
    assert "lock timeout" in str(error)
    assert error.retryable
    assert extract_hourly_telemetry(sources.telemetry, [HOUR]).rows.height == 1


def test_a_read_that_takes_too_long_is_ended(sources, impatient):
    sources.add_hour("C1", HOUR)
    slow_view(sources, "pg_sleep(60) IS NOT NULL")
    began = time.monotonic()
    error = failure(sources)
    assert time.monotonic() - began < 5
    assert "statement timeout" in str(error)
    assert error.retryable


def test_a_server_that_restarts_within_a_read(sources):
    sources.add_hour("C1", HOUR)
    slow_view(sources, "pg_sleep(20) IS NOT NULL")
    database = urlsplit(sources.telemetry.url).path[1:]
    end = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'bionicpro_assets' "
        f"AND datname = '{database}' AND wait_event = 'PgSleep'"
    )

    def restart() -> None:
        for _ in range(100):
            if execute(sources.admin, end):
                return
            time.sleep(0.1)

    thread = threading.Thread(target=restart)
    thread.start()
    began = time.monotonic()
    error = failure(sources)
    thread.join()
    assert time.monotonic() - began < 15
    assert "terminating connection" in str(error)
    assert error.retryable


@pytest.mark.parametrize(
    ("sqlstate", "retryable"),
    [
        ("40001", True),  # what a replica says when a read is in conflict with recovery
        ("53300", True),  # too many connections
        ("57P03", True),  # starting up
        ("22012", False),  # division by zero
    ],
)
def test_whether_trying_again_can_help(sources, sqlstate, retryable):
    sources.add_hour("C1", HOUR)
    sources.in_telemetry(
        "CREATE FUNCTION telemetry.fails() RETURNS boolean LANGUAGE plpgsql VOLATILE AS "
        f"$$ BEGIN RAISE EXCEPTION 'as the server says' USING ERRCODE = '{sqlstate}'; END $$"
    )
    slow_view(sources, "telemetry.fails()")
    error = failure(sources)
    assert "as the server says" in str(error)
    assert error.retryable is retryable


def test_a_read_keeps_no_writer_waiting(sources):
    sources.add_hour("C1", HOUR)
    with sources.telemetry.snapshot() as snapshot:
        before = snapshot.read("SELECT movements_count FROM telemetry.v_hourly_telemetry").item()
        began = time.monotonic()
        sources.add_hour("C1", HOUR, movements_count=before + 1)
        sources.in_telemetry("INSERT INTO telemetry.raw_telemetry (chip_id, timestamp) VALUES ('C1', now())")
        assert time.monotonic() - began < 2
        assert snapshot.read("SELECT movements_count FROM telemetry.v_hourly_telemetry").item() == before


def test_a_roll_up_that_is_cancelled_says_so_and_can_be_repeated(sources):
    sources.in_telemetry("INSERT INTO telemetry.raw_telemetry (chip_id, timestamp) VALUES ('C1', %s)", (HOUR,))
    name = urlsplit(sources.telemetry.url).path[1:]
    with closing(psycopg2.connect(sources.telemetry.url)) as holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLE telemetry.hourly_stats IN ACCESS EXCLUSIVE MODE")
        end = (
            f"SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND wait_event_type = 'Lock'"
        )

        def cancel() -> None:
            for _ in range(100):
                if execute(sources.admin, end):
                    return
                time.sleep(0.1)

        thread = threading.Thread(target=cancel)
        thread.start()
        with pytest.raises(SourceError, match="canceling statement") as caught:
            roll_up(sources.telemetry, [HOUR])
        thread.join()
    assert caught.value.retryable
    assert roll_up(sources.telemetry, [HOUR]).written == {HOUR: 1}
