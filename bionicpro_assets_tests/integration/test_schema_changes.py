"""What is applied of a schema, in which order, and what is refused: on both engines."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from bionicpro_assets import sqlfiles
from bionicpro_assets.errors import ClickHouseError, PlatformError
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.setup.changes import VERSION
from bionicpro_assets.setup.clickhouse import apply_clickhouse_schema, require_clickhouse_schema
from bionicpro_assets.setup.postgres import apply_postgres_schema
from bionicpro_assets_tests.integration.sources import Sources, execute


@dataclass
class Engine:
    """A database with the schema applied, the folder of that schema, and how to ask."""

    name: str
    folder: Path
    apply: Callable[[], list[str]]
    rows: Callable[[str], Any]
    run: Callable[[str], Any]
    record: str
    table: str
    view: str
    of_table: str
    of_view: str

    def put(self, file: str, text: str) -> None:
        (self.folder / file).write_text(text)
        sqlfiles.sql.cache_clear()


@pytest.fixture(params=["clickhouse", "telemetry"])
def engine(request, tmp_path, monkeypatch) -> Iterator[Engine]:
    copytree(sqlfiles.SQL_ROOT, tmp_path / "sql")
    monkeypatch.setattr(sqlfiles, "SQL_ROOT", tmp_path / "sql")
    folder = tmp_path / "sql" / request.param / "schema"
    if request.param == "clickhouse":
        clickhouse: ClickHouse = request.getfixturevalue("clickhouse")
        yield Engine(
            "clickhouse", folder, lambda: apply_clickhouse_schema(clickhouse), lambda q: clickhouse.rows(q)[1],
            clickhouse.command, "storage.schema_changes", "storage.publications", "reports.user_prosthesis_stats",
            "040_publications.sql", "230_reports_user_prosthesis_stats.sql",
        )  # fmt: skip
    else:
        sources: Sources = request.getfixturevalue("sources")
        yield Engine(
            "telemetry", folder, lambda: apply_postgres_schema(sources.telemetry, "telemetry"),
            sources.in_telemetry, sources.in_telemetry, "telemetry.schema_changes", "telemetry.hourly_stats",
            "telemetry.v_hourly_telemetry", "40_hourly_stats.sql", "50_v_hourly_telemetry.sql",
        )  # fmt: skip


def test_every_file_is_recorded_and_applied_once(engine):
    files = sorted(f.name for f in engine.folder.glob("*.sql"))
    recorded = engine.rows(f"SELECT file, checksum, version FROM {engine.record}")
    assert sorted(file for file, _, _ in recorded) == files
    assert {version for _, _, version in recorded} == {VERSION}
    assert all(len(checksum) == 64 for _, checksum, _ in recorded)
    assert engine.apply() == []


def test_the_whole_schema_may_be_applied_over_itself(engine):
    """As after a crash between a statement and its record."""
    engine.run(f"TRUNCATE TABLE {engine.record}")
    engine.run(f"INSERT INTO {engine.table} (row_count) VALUES (1)") if engine.name == "clickhouse" else engine.run(
        f"INSERT INTO {engine.table} (chip_id, hour_start) VALUES ('C1', '2026-01-01T00:00Z')"
    )
    assert engine.apply() == sorted(f.name for f in engine.folder.glob("*.sql"))
    assert engine.rows(f"SELECT count(*) FROM {engine.table}") == [(1,)]
    assert engine.apply() == []


def test_comments_and_white_space_may_change(engine):
    text = (engine.folder / engine.of_table).read_text()
    engine.put(engine.of_table, "-- In other words.\n\n" + text.replace("\n    ", "\n  "))
    assert engine.apply() == []


def test_a_table_that_was_made_is_not_made_otherwise(engine):
    text = (engine.folder / engine.of_table).read_text()
    engine.put(engine.of_table, text.replace("NOT EXISTS", "NOT EXISTS  ").replace("hour_start", "the_hour", 1))
    engine.put("990_after.sql", f"CREATE TABLE IF NOT EXISTS {engine.table}_2 (a int)")
    before = engine.rows(f"SELECT count(*) FROM {engine.record}")
    with pytest.raises(PlatformError, match=rf"{engine.of_table} was applied by version .* in other words"):
        engine.apply()
    assert engine.rows(f"SELECT count(*) FROM {engine.record}") == before


def test_a_view_is_made_anew_when_its_words_change(engine):
    text = (engine.folder / engine.of_view).read_text()
    end = "\nCOMMENT '" if engine.name == "clickhouse" else ";"
    engine.put(engine.of_view, text.replace(end, f"\nLIMIT 0{end}", 1))
    assert engine.apply() == [engine.of_view]
    assert engine.apply() == []
    applied = engine.rows(f"SELECT count(*) FROM {engine.record} WHERE file = '{engine.of_view}'")
    assert applied == [(2,)], "the record is a history"


def test_a_view_that_is_gone_is_made_anew_and_a_table_is_not(engine):
    engine.run(f"DROP VIEW {engine.view}")
    assert engine.apply() == []
    engine.rows(f"SELECT * FROM {engine.view} LIMIT 0")
    engine.run(f"DROP TABLE {engine.table}" + (" CASCADE" if engine.name != "clickhouse" else ""))
    with pytest.raises(PlatformError, match=rf"{engine.table} is gone, although {engine.of_table} made it once"):
        engine.apply()


def test_a_view_gets_the_columns_that_its_tables_have_now(clickhouse, tmp_path, monkeypatch):
    copytree(sqlfiles.SQL_ROOT, tmp_path / "sql")
    monkeypatch.setattr(sqlfiles, "SQL_ROOT", tmp_path / "sql")
    new = tmp_path / "sql" / "clickhouse" / "schema" / "122_extra.sql"
    new.write_text("ALTER TABLE storage.hourly_telemetry ADD COLUMN IF NOT EXISTS extra Nullable(Int64) AFTER chip_id")
    assert apply_clickhouse_schema(clickhouse) == [new.name]
    described = [name for name, *_ in clickhouse.rows("DESCRIBE staging.hourly_telemetry")[1]]
    assert described[:3] == ["hour_start", "chip_id", "extra"]


def test_what_was_done_to_a_view_by_hand_is_undone(engine):
    engine.run(f"DROP VIEW {engine.view}")
    engine.run(f"CREATE VIEW {engine.view} AS SELECT 1 AS one")
    if engine.name == "telemetry":
        # PostgreSQL doesn't replace a view by one of other columns: it says so, and nothing is changed.
        with pytest.raises(PlatformError):
            engine.apply()
        return
    assert engine.apply() == []
    assert engine.rows(f"SELECT count(movements_count) FROM {engine.view}") == [(0,)]


def test_a_newer_version_is_worked_with_unless_it_says_otherwise(engine):
    """Going back after an upgrade."""
    for file, text in (("991_more.sql", "a int"), ("992_other.sql", "b int")):
        breaking = "-- breaking\n" if file == "992_other.sql" else ""
        suffix = " ENGINE = MergeTree ORDER BY ()" if engine.name == "clickhouse" else ""
        schema = engine.table.partition(".")[0]
        engine.put(file, f"{breaking}CREATE TABLE IF NOT EXISTS {schema}.t{file[:3]} ({text}){suffix}")
        assert engine.apply() == [file]
        (engine.folder / file).unlink()
        if not breaking:
            assert engine.apply() == []
    with pytest.raises(PlatformError, match=r"has changed the tables \(992_other.sql\) in a way that this version"):
        engine.apply()


def test_a_database_that_is_gone_is_made_anew(clickhouse):
    """It holds views only, as after a restore that left it out."""
    clickhouse.command("DROP DATABASE quarantine")
    assert apply_clickhouse_schema(clickhouse) == []
    assert clickhouse.rows("SELECT count() FROM quarantine.rejected_telemetry")[1] == [(0,)]


def test_two_at_the_same_time(sources: Sources):
    execute(sources.telemetry.url, "DROP SCHEMA telemetry CASCADE")
    applied: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: applied.append(apply_postgres_schema(sources.telemetry, "telemetry")))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(bool, applied)) == [False, False, True]


def test_a_failure_half_way_goes_on_where_it_was(tmp_path, monkeypatch):
    copytree(sqlfiles.SQL_ROOT, tmp_path / "sql")
    monkeypatch.setattr(sqlfiles, "SQL_ROOT", tmp_path / "sql")
    bad = tmp_path / "sql" / "clickhouse" / "schema" / "150_bad.sql"
    bad.write_text("CREATE TABLE IF NOT EXISTS storage.bad (a Nothing2) ENGINE = MergeTree ORDER BY a")
    with ClickHouse(f"chdb://{tmp_path}/engine") as clickhouse:
        with pytest.raises(ClickHouseError):
            apply_clickhouse_schema(clickhouse)
        with pytest.raises(ClickHouseError, match=r"outstanding: 150_bad.sql, 210_.*bionicpro init clickhouse"):
            require_clickhouse_schema(clickhouse)
        bad.unlink()
        applied = apply_clickhouse_schema(clickhouse)
        assert applied[0].startswith("210_")
        require_clickhouse_schema(clickhouse)


def test_a_run_says_that_the_tables_are_older(clean_environment, platform, sources):
    sources.add_wearer("C1", "anna")
    platform.clickhouse.command("DELETE FROM storage.schema_changes WHERE file LIKE '220%'")
    result = platform.materialise(["storage/publications"])
    assert "outstanding: 220_staging_hourly_telemetry.sql" in str(result.all_events)
