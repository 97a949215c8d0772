"""Dagster's storage in SQLite: several processes at once, one killed at any moment, followers, an older folder."""

import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from pathlib import Path

import dagster as dg
import pytest

from bionicpro_assets.errors import PlatformError
from bionicpro_assets.instance import dagster_home, dagster_instance
from bionicpro_assets.settings import Settings
from bionicpro_assets.sqlfiles import PROJECT
from bionicpro_assets.sqlite_storage import EventLogStorage, RunStorage, ScheduleStorage
from bionicpro_assets_tests.unit.test_event_log import record, run

WAIT_SECONDS = 120
BATCH = 10
# Writes, by turns, a materialisation, an evaluation of a check and a batch of both; says after each that it is written.
WRITER = f"""
import sys
from itertools import count
import dagster as dg
from bionicpro_assets.sqlite_storage import EventLogStorage

folder, run_id, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
storage = EventLogStorage(folder)
key = dg.AssetKey(run_id)

def event(kind, data, said):
    made = dg.DagsterEvent(kind.value, "job", event_specific_data=data, message=said)
    return dg.EventLogEntry(None, 10, "", run_id, float(said), None, "job", made)

def materialized(said):
    from dagster._core.events import StepMaterializationData
    made = dg.AssetMaterialization(key, partition=said, tags={{"dagster/data_version": said}})
    return event(dg.DagsterEventType.ASSET_MATERIALIZATION, StepMaterializationData(made), said)

def evaluated(said):
    made = dg.AssetCheckEvaluation(asset_key=key, check_name="check", passed=True, partition=said)
    return event(dg.DagsterEventType.ASSET_CHECK_EVALUATION, made, said)

for number in range(rounds) if rounds else count():
    storage.store_event(materialized(f"{{number}}.1"))
    storage.store_event(evaluated(f"{{number}}.2"))
    storage.store_event_batch(
        [(materialized if i % 2 else evaluated)(f"{{number}}.3{{i}}") for i in range({BATCH})]
    )
    print(number, flush=True)
"""


@contextmanager
def writer(folder: Path, run_id: str, rounds: int):
    """A process that writes so many rounds of events, or without end."""
    command = [sys.executable, "-W", "ignore", "-c", WRITER, str(folder), run_id, str(rounds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def said(round_number: int) -> list[str]:
    """What the events of a round are called."""
    return [f"{round_number}.{n}" for n in ("1", "2", *(f"3{i}" for i in range(BATCH)))]


def test_nothing_is_lost_or_halved_when_one_of_several_writers_is_killed(tmp_path):
    """They begin at once, where there is no file yet."""
    with (
        writer(tmp_path, "endless", 0) as endless,
        writer(tmp_path, "one", 30) as one,
        writer(tmp_path, "two", 30) as two,
    ):
        written = [endless.stdout.readline() for _ in range(20)]
        endless.send_signal(signal.SIGKILL)
        written += endless.stdout.readlines()
        assert endless.wait() == -signal.SIGKILL
        assert [p.communicate(timeout=WAIT_SECONDS)[0].splitlines()[-1] for p in (one, two)] == ["29", "29"]
        assert [p.returncode for p in (one, two)] == [0, 0]
    storage = EventLogStorage(str(tmp_path))
    for run_id in ("one", "two"):
        assert messages(storage, run_id) == [m for number in range(30) for m in said(number)]
    found = messages(storage, "endless")
    whole = [m for number in range(len(written)) for m in said(number)]
    assert found[: len(whole)] == whole
    # Of the round that it was killed in: single events, one after the other, and the batch only as a whole.
    assert found[len(whole) :] in [said(len(written))[:n] for n in (0, 1, 2, 2 + BATCH)]
    assert_whole(tmp_path / "events.db")


def messages(storage: EventLogStorage, run_id: str) -> list[str]:
    """The messages of a run's events, in order."""
    return [entry.message for entry in storage.get_logs_for_run(run_id)]


def assert_whole(file: Path) -> None:
    """Everything that follows from an event is there with it, and nothing else."""
    with closing(sqlite3.connect(file)) as connection:
        events = set(connection.execute("SELECT id, dagster_event_type FROM event_logs"))
        of_assets = {number for number, kind in events if kind == "ASSET_MATERIALIZATION"}
        assert {r[0] for r in connection.execute("SELECT event_id FROM asset_event_tags")} == of_assets
        checks = connection.execute("SELECT evaluation_event_storage_id FROM asset_check_executions")
        assert {r[0] for r in checks} == {number for number, _ in events} - of_assets
        last = dict(connection.execute("SELECT asset_key, max(id) FROM event_logs WHERE id IN (SELECT event_id FROM "
                                       "asset_event_tags) GROUP BY 1"))  # fmt: skip
        kept = connection.execute("SELECT asset_key, last_materialization ->> '$.storage_id' FROM asset_keys")
        assert dict(kept) == last
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA journal_mode").fetchall() == [("wal",)]


@pytest.mark.parametrize("moment", ["stamp_alembic_rev", "EventLogStorage.reindex_assets"])
def test_a_process_killed_while_it_makes_the_tables_leaves_none(tmp_path, moment):
    code = f"""
import os, sys
from bionicpro_assets import sqlite_storage
sqlite_storage.{moment} = lambda *_: os.kill(os.getpid(), 9)
sqlite_storage.EventLogStorage(sys.argv[1])
"""
    killed = subprocess.run([sys.executable, "-W", "ignore", "-c", code, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    with closing(sqlite3.connect(tmp_path / "events.db")) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []
    storage = EventLogStorage(str(tmp_path))
    of_file, of_dagster = storage.alembic_version()
    assert of_file == of_dagster is not None
    assert storage.has_secondary_index("asset_key_index_columns")


def test_a_follower_is_told_every_event_that_another_process_writes_in_order(tmp_path):
    """As the UI follows a run, from where the page was read."""
    storage = EventLogStorage(str(tmp_path))
    told: list[str] = []
    all_of_it = threading.Event()

    def tell(entry: dg.EventLogEntry, _cursor: str) -> None:
        told.append(entry.message)
        if entry.message == said(19)[-1]:
            all_of_it.set()

    with writer(tmp_path, "followed", 5) as first:
        first.communicate(timeout=WAIT_SECONDS)
    page = storage.get_records_for_run("followed", limit=7)
    storage.watch("followed", page.cursor, tell)
    with writer(tmp_path, "followed", 20) as second:
        assert all_of_it.wait(WAIT_SECONDS)
        second.communicate(timeout=WAIT_SECONDS)
    storage.end_watch("followed", tell)
    everything = messages(storage, "followed")
    assert told == everything[7:]
    assert len(everything) == 25 * (2 + BATCH)
    storage.dispose()


def test_tables_can_be_upgraded(tmp_path):
    EventLogStorage(str(tmp_path)).upgrade()
    of_file, of_dagster = EventLogStorage(str(tmp_path)).alembic_version()
    assert of_file == of_dagster


def test_the_embedded_profile_keeps_all_of_it_in_one_folder_and_starts_anew_beside_an_older_one(
    clean_environment, tmp_path, monkeypatch
):
    settings = Settings(
        BIONICPRO_CRM_DB_URL="postgresql://nobody@nowhere/none",
        BIONICPRO_TELEMETRY_DB_URL="postgresql://nobody@nowhere/none",
        BIONICPRO_CLICKHOUSE_URL="chdb:///nowhere",
        BIONICPRO_HOME=tmp_path,
    )
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "64")
    home = dagster_home(settings)
    new = (home / "dagster.yaml").read_text()
    # As an older version had it: Dagster's own files, in the folders that Dagster takes by itself.
    (home / "dagster.yaml").write_text((PROJECT / "dagster.yaml").read_text())
    with dg.DagsterInstance.from_config(str(home)) as older:
        run(older)
    assert (home / "history").is_dir()
    with dagster_instance(settings) as instance:
        assert isinstance(instance.run_storage, RunStorage)
        assert isinstance(instance.event_log_storage, EventLogStorage)
        assert isinstance(instance.schedule_storage, ScheduleStorage)
        assert instance.get_runs_count() == 0
        run_id = run(instance)
        assert len(record(instance, run_id)["first"]) == 48
    assert (home / "dagster.yaml").read_text() == new
    assert {f.name for f in (home / "storage").glob("*.db")} == {"events.db", "runs.db", "schedules.db"}


def test_a_folder_that_cannot_be_written_is_said_in_a_sentence(clean_environment, tmp_path):
    settings = Settings(
        BIONICPRO_CRM_DB_URL="postgresql://nobody@nowhere/none",
        BIONICPRO_TELEMETRY_DB_URL="postgresql://nobody@nowhere/none",
        BIONICPRO_CLICKHOUSE_URL="chdb:///nowhere",
        BIONICPRO_HOME=tmp_path,
    )
    dagster_home(settings)
    (tmp_path / "dagster" / "storage").write_text("a file where the folder should be")
    with (
        pytest.raises(PlatformError, match=r"dagster can't be written: .*It is in DAGSTER_HOME\.$"),
        dagster_instance(settings),
    ):
        pass
