"""An hour is read when its source has changed: what is skipped, what is found nevertheless, and when."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bionicpro_assets.extract.postgres import Snapshot
from bionicpro_assets.hours import HOUR, floor_hour
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.table import HourlyTable
from bionicpro_assets.steps.crm import CRM_EXTRACT
from bionicpro_assets.steps.mart import MART
from bionicpro_assets.steps.telemetry import TELEMETRY
from bionicpro_assets_tests.integration.platform import mart_rows
from bionicpro_assets_tests.integration.sources import Sources
from bionicpro_assets_tests.publishing import publish_window

# Both have ended long ago.
FIRST = floor_hour(datetime.now(UTC)) - 30 * HOUR
SECOND = FIRST + HOUR
HOURS = [FIRST, SECOND]


@pytest.fixture
def loaded(sources, clickhouse) -> Sources:
    """Two chips with a wearer each, loaded for both hours."""
    for chip, user in (("C1", "anna"), ("C2", "boris")):
        sources.add_wearer(chip, user)
        for hour in HOURS:
            sources.add_hour(chip, hour)
    load(sources, clickhouse)
    made: Sources = sources
    return made


def load(sources: Sources, clickhouse: ClickHouse, hours: Sequence[datetime] = HOURS) -> None:
    publish_window(sources.crm, sources.telemetry, clickhouse, hours, run_id="test", batch_size=100)


def age(clickhouse: ClickHouse, minutes: int) -> None:
    """As if everything had been compared by value so many minutes earlier than it was."""
    clickhouse.command(
        f"ALTER TABLE storage.publications UPDATE compared_at = compared_at - INTERVAL {minutes} MINUTE WHERE 1 "
        "SETTINGS mutations_sync = 2"
    )


def is_right(sources: Sources, clickhouse: ClickHouse) -> bool:
    return mart_rows(clickhouse) == sources.expected_mart(FIRST, SECOND)


@pytest.fixture
def read(monkeypatch) -> Counter[str]:
    """How many rows were read of what: of a source's view or table, or of ClickHouse."""
    seen: Counter[str] = Counter()
    of_source, of_clickhouse = Snapshot.read, ClickHouse.frame

    def snapshot_read(self: Snapshot, query: str, parameters: Any = None) -> Any:
        rows = of_source(self, query, parameters)
        if "customer_full_name" in rows.columns or "movements_count" in rows.columns:
            seen[self.source.name] += rows.height
        return rows

    def frame(self: ClickHouse, query: str, parameters: Any = None) -> Any:
        rows = of_clickhouse(self, query, parameters)
        seen["clickhouse"] += rows.height
        return rows

    monkeypatch.setattr(Snapshot, "read", snapshot_read)
    monkeypatch.setattr(ClickHouse, "frame", frame)
    return seen


def numbers(clickhouse: ClickHouse, table: str) -> dict[datetime, int]:
    current = HourlyTable.of(clickhouse, table).current(clickhouse, FIRST, SECOND + HOUR)
    return {hour: entry.number for hour, entry in current.items()}


def test_where_nothing_changed_no_row_is_read_and_every_hour_is_confirmed(loaded, clickhouse, read):
    before = {table: numbers(clickhouse, table) for table in (CRM_EXTRACT, TELEMETRY, MART)}
    load(loaded, clickhouse)
    assert read == Counter()
    assert {table: numbers(clickhouse, table) for table in before} == before
    _, ((confirmations,),) = clickhouse.rows("SELECT count() FROM storage.publications")
    assert confirmations == 2 * 4 * len(HOURS), "the journal says that they were loaded again"
    assert is_right(loaded, clickhouse)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE telemetry.hourly_stats SET movements_count = 95, updated_at = now() WHERE chip_id = 'C1' AND hour_start = %s",
        "DELETE FROM telemetry.hourly_stats WHERE chip_id = 'C1' AND hour_start = %s",
        "DELETE FROM telemetry.hourly_stats WHERE hour_start = %s",
        "INSERT INTO telemetry.hourly_stats (chip_id, hour_start, movements_count) VALUES ('C9', %s, 5)",
        # The same number of rows, and the same stamps, of other chips.
        "UPDATE telemetry.hourly_stats SET chip_id = 'C3' WHERE chip_id = 'C1' AND hour_start = %s",
    ],
)
def test_of_telemetry_only_the_hour_that_changed_is_read(loaded, clickhouse, read, change):
    loaded.in_telemetry(change, (SECOND,))
    load(loaded, clickhouse)
    ((left,),) = loaded.in_telemetry("SELECT count(*) FROM telemetry.hourly_stats WHERE hour_start = %s", (SECOND,))
    assert read["telemetry_db"] == left
    assert read["crm_db"] == 0
    assert is_right(loaded, clickhouse)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE crm.customers SET last_name = 'Белова' WHERE external_id = 'anna'",
        "UPDATE crm.prostheses SET status = 'maintenance' WHERE chip_id = 'C1'",
    ],
)
def test_a_change_of_the_crm_is_read_for_all_hours(loaded, clickhouse, read, change):
    loaded.in_crm(change)
    load(loaded, clickhouse)
    assert read["crm_db"] == 2
    assert read["telemetry_db"] == 0
    assert is_right(loaded, clickhouse)


def test_what_leaves_no_stamp_is_found_within_the_hour(loaded, clickhouse, read):
    loaded.in_crm("UPDATE crm.prosthesis_models SET model_name = 'Renamed'")
    loaded.in_telemetry("UPDATE telemetry.hourly_stats SET error_count = 9")
    load(loaded, clickhouse)
    assert read == Counter(), "nobody can know it yet"
    age(clickhouse, 60)
    load(loaded, clickhouse)
    assert (read["crm_db"], read["telemetry_db"]) == (2, 4)
    assert is_right(loaded, clickhouse)
    assert {row[6] for row in mart_rows(clickhouse)} == {"Renamed"}


@pytest.mark.parametrize("table", ["crm_customer_prosthesis", "hourly_telemetry", "user_prosthesis_stats"])
def test_stored_rows_that_are_gone_are_written_again_at_once(loaded, clickhouse, table):
    clickhouse.command(f"ALTER TABLE storage.{table} DELETE WHERE chip_id = 'C1' SETTINGS mutations_sync = 2")
    load(loaded, clickhouse)
    assert is_right(loaded, clickhouse)
    _, stored = clickhouse.rows(f"SELECT count() FROM storage.{table} WHERE chip_id = 'C1'")
    assert stored == [(2,)]


@pytest.mark.parametrize(
    ("table", "column"), [("hourly_telemetry", "error_count"), ("user_prosthesis_stats", "error_count")]
)
def test_stored_values_that_were_altered_are_written_again_within_the_hour(loaded, clickhouse, table, column):
    clickhouse.command(f"ALTER TABLE storage.{table} UPDATE {column} = 77 WHERE 1 SETTINGS mutations_sync = 2")
    age(clickhouse, 60)
    load(loaded, clickhouse)
    assert is_right(loaded, clickhouse)
    assert clickhouse.rows(f"SELECT max({column}) FROM {TELEMETRY}")[1] == [(3,)]


def test_an_hour_that_was_last_compared_while_it_was_open_is_compared_again(loaded, clickhouse, read):
    clickhouse.command(
        f"ALTER TABLE storage.publications UPDATE compared_at = toDateTime64({SECOND.timestamp()}, 6, 'UTC') - 1 "
        "WHERE 1 SETTINGS mutations_sync = 2"
    )
    load(loaded, clickhouse)
    assert (read["crm_db"], read["telemetry_db"]) == (2, 4)


def test_a_correction_of_the_wearers_is_joined_though_the_telemetry_is_the_same(loaded, clickhouse, read):
    loaded.in_crm("UPDATE crm.customers SET email = 'new@example.org' WHERE external_id = 'boris'")
    load(loaded, clickhouse)
    assert "new@example.org" in {row[12] for row in mart_rows(clickhouse)}
    assert read["telemetry_db"] == 0


def test_a_publication_beside_the_window_has_the_crm_read_again(loaded, clickhouse, read):
    """An hour that another run has loaded since may know of a wearer whom these hours don't know."""
    load(loaded, clickhouse, [FIRST])
    assert read["crm_db"] == 0, "the same hours were consulted"
    load(loaded, clickhouse, [SECOND + HOUR])
    read.clear()
    load(loaded, clickhouse)
    assert read["crm_db"] == 2
    assert is_right(loaded, clickhouse)


def test_a_row_that_comes_between_the_look_and_the_read_is_found_by_the_next_load(loaded, clickhouse, monkeypatch):
    """Both are one snapshot: neither sees it. The state that is kept is the one of the rows that are kept."""
    loaded.add_hour("C1", SECOND, movements_count=50)
    real, came = Snapshot.read, []

    def interrupted(self: Snapshot, query: str, parameters: Any = None) -> Any:
        rows = real(self, query, parameters)
        if "state" in rows.columns and self.source.name == "telemetry_db" and not came:
            came.append(True)
            loaded.add_hour("C2", SECOND, movements_count=60)
        return rows

    monkeypatch.setattr(Snapshot, "read", interrupted)
    load(loaded, clickhouse)
    assert came
    moved = {row[2]: row[7] for row in mart_rows(clickhouse, f"report_hour = {SECOND.hour}")}
    assert moved == {"C1": 50, "C2": 100}
    load(loaded, clickhouse)
    assert is_right(loaded, clickhouse)


def test_a_row_moves_between_quarantine_and_mart_in_one_step(sources, clickhouse, tmp_path):
    """At the moment of the commit, and just before it, a chip's row is in one of the two, and never in both."""
    sources.add_hour("C1", FIRST)
    load(sources, clickhouse, [FIRST])
    seen: list[int] = []
    both = (
        "SELECT count() FROM (SELECT chip_id FROM reports.user_prosthesis_stats UNION ALL "
        "SELECT chip_id FROM quarantine.rejected_telemetry)"
    )

    class Watched(ClickHouse):
        def insert_arrow_stream(self, table: str, columns: Sequence[str], blocks: Any) -> None:
            seen.append(self.rows(both)[1][0][0])
            super().insert_arrow_stream(table, columns, blocks)
            seen.append(self.rows(both)[1][0][0])

    sources.add_wearer("C1", "anna")
    with Watched(f"chdb://{tmp_path}/clickhouse") as watched:
        load(sources, watched, [FIRST])
    assert len(seen) >= 8
    assert set(seen) == {1}
    assert len(mart_rows(clickhouse)) == 1


def test_an_hour_with_rows_askew_is_read_and_not_confirmed(loaded, clickhouse):
    loaded.add_hour("C1", SECOND + timedelta(minutes=30))
    load(loaded, clickhouse)
    found = clickhouse.rows("SELECT chip_id, reason FROM quarantine.rejected_telemetry")[1]
    assert list(map(tuple, found)) == [("C1", "hour_start is not a whole UTC hour")]
