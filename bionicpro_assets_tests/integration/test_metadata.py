"""What a materialisation tells people, and what it keeps to itself."""

import json
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster import serialize_value

from bionicpro_assets.definitions import build_definitions
from bionicpro_assets.defs import keys
from bionicpro_assets.hours import floor_hour, partition_key
from bionicpro_assets.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore")
OPEN = floor_hour(datetime.now(UTC))
FIRST = OPEN - timedelta(hours=1)


@pytest.fixture
def loaded(platform, sources, monkeypatch):
    monkeypatch.setenv("BIONICPRO_ROLLUP", "external")
    sources.add_wearer("C1", "anna.ivanova")
    sources.add_wearer("C2", "boris")
    for hour, chips in ((FIRST, ["C1", "C2", "UNKNOWN"]), (OPEN, ["C1"])):
        for chip in chips:
            sources.add_hour(chip, hour)
    platform.load(FIRST, OPEN)
    return platform


def materialisations(platform, key):
    records = platform.instance.fetch_materializations(key, limit=10).records
    # The newest come first.
    return {
        r.partition_key: {k: v.value for k, v in r.asset_materialization.metadata.items()} for r in reversed(records)
    }


def test_every_hour_has_its_own_materialisation_and_row_count(loaded):
    for key, rows in ((keys.CRM_EXTRACT, (2, 2)), (keys.TELEMETRY_EXTRACT, (3, 1)), (keys.MART, (2, 1))):
        found = materialisations(loaded, key)
        assert {k: m["dagster/partition_row_count"] for k, m in found.items()} == {
            partition_key(FIRST): rows[0],
            partition_key(OPEN): rows[1],
        }


@pytest.mark.parametrize("key", [keys.CRM_EXTRACT, keys.TELEMETRY_EXTRACT, keys.MART], ids=str)
def test_the_standard_keys_are_there(loaded, key):
    metadata = materialisations(loaded, key)[partition_key(OPEN)]
    assert metadata["dagster/table_name"] == ".".join(key.path)
    assert metadata["dagster/storage_kind"] == "clickhouse"
    assert metadata["hours"] == 2
    assert metadata["bytes"] > 0
    assert metadata["seconds"] > 0
    assert metadata["rows_per_second"] == pytest.approx(metadata["rows"] / metadata["seconds"], rel=0.05, abs=0.06)
    rows = sum(m["dagster/partition_row_count"] for m in materialisations(loaded, key).values())
    assert metadata["dagster/row_count"] == metadata["rows"] == rows
    read_at = datetime.fromtimestamp(metadata["source_read_at"], UTC)
    assert timedelta(0) <= datetime.now(UTC) - read_at < timedelta(minutes=5)
    assert 0 < len(metadata["preview"]) <= 5
    # The last hour has some rows, which the UI shows for the asset.
    assert "preview" not in materialisations(loaded, key)[partition_key(FIRST)]


@pytest.mark.parametrize("key", keys.PUBLISHED, ids=str)
def test_columns_and_their_lineage_are_of_the_definition_and_in_no_event(loaded, key):
    defined = build_definitions(Settings.load()).resolve_asset_graph().get(key).metadata
    columns = {c.name: c for c in defined["dagster/column_schema"].columns}
    assert all(c.description for c in columns.values())
    assert set(defined["dagster/column_lineage"].deps_by_column) <= set(columns)
    for metadata in materialisations(loaded, key).values():
        assert not {"dagster/column_schema", "dagster/column_lineage"} & set(metadata)


def test_a_read_that_a_newer_one_hides_isnt_told_as_what_readers_see(loaded, sources, clickhouse):
    told = {hour: m["source_state"] for hour, m in materialisations(loaded, keys.TELEMETRY_EXTRACT).items()}
    assert all(told.values())
    # As if read by a clock that was two minutes ahead, and has been set right since.
    clickhouse.command(
        "INSERT INTO storage.publications SELECT * REPLACE (source_read_at + 120 AS source_read_at) "
        f"FROM storage.publications WHERE table_name = 'staging.hourly_telemetry' AND hour_start = '{OPEN:%F %T}'"
    )
    sources.add_hour("C2", OPEN)
    loaded.load(FIRST, OPEN)
    assert [row[0] for row in loaded.mart(f"report_hour = {OPEN.hour}")] == ["anna.ivanova"]
    now = {hour: m.get("source_state") for hour, m in materialisations(loaded, keys.TELEMETRY_EXTRACT).items()}
    assert now == {**told, partition_key(OPEN): None}


def test_the_row_count_is_the_tables_and_not_the_windows(loaded):
    loaded.load(OPEN, OPEN)
    latest = loaded.instance.fetch_materializations(keys.MART, limit=1).records[0].asset_materialization.metadata
    assert (latest["rows"].value, latest["dagster/row_count"].value) == (1, 3)


def test_the_columns_are_those_that_readers_see(loaded):
    defined = build_definitions(Settings.load()).resolve_asset_graph().get(keys.MART).metadata
    _, described = loaded.clickhouse.rows("DESCRIBE reports.user_prosthesis_stats")
    assert [c.name for c in defined["dagster/column_schema"].columns] == [row[0] for row in described]


def test_every_column_of_the_mart_but_the_stamps_has_its_lineage(loaded):
    defined = build_definitions(Settings.load()).resolve_asset_graph().get(keys.MART).metadata
    columns = {c.name for c in defined["dagster/column_schema"].columns}
    assert columns - set(defined["dagster/column_lineage"].deps_by_column) == {"etl_processed_at"}


def test_what_is_plotted_over_the_hours_is_theirs(loaded):
    closed, still_open = (materialisations(loaded, keys.MART)[partition_key(hour)] for hour in (FIRST, OPEN))
    assert closed["unmatched_percent_of_hour"] == pytest.approx(100 / 3, abs=0.01)
    assert still_open["unmatched_percent_of_hour"] == 0
    read_at = datetime.fromtimestamp(closed["source_read_at"], UTC)
    assert closed["lag_minutes"] == pytest.approx((read_at - OPEN).total_seconds() / 60, abs=0.1)
    assert still_open["lag_minutes"] == 0
    assert {"lag_minutes"} <= set(materialisations(loaded, keys.TELEMETRY_EXTRACT)[partition_key(OPEN)])


def test_telemetry_without_a_wearer_is_counted_and_named(loaded):
    assert materialisations(loaded, keys.MART)[partition_key(OPEN)]["rejected_rows"] == 1
    found = materialisations(loaded, keys.QUARANTINE)
    assert found[partition_key(FIRST)]["rejected_chips"] == ["UNKNOWN"]
    assert found[partition_key(OPEN)]["rejected_chips"] == []
    assert found[partition_key(OPEN)]["reasons"] == {"the CRM doesn't know the chip": 1}
    _, rows = loaded.clickhouse.rows("SELECT chip_id, reason, no_wearer FROM quarantine.rejected_telemetry")
    assert rows == [("UNKNOWN", "the CRM doesn't know the chip", 1)], "and it can be looked at"


def test_nobodys_name_address_or_password_is_in_any_event(loaded):
    (run,) = loaded.instance.get_runs()
    events = json.dumps([serialize_value(e) for e in loaded.instance.all_logs(run.run_id)], ensure_ascii=False)
    assert len(events) > 1000
    for personal in ("Иванова", "Анна", "anna.ivanova", "example.org", "postgresql://"):
        assert personal not in events


def test_the_run_counts_in_the_journal(loaded):
    (run,) = loaded.instance.get_runs()
    _, rows = loaded.clickhouse.rows("SELECT DISTINCT run_id FROM storage.publications")
    assert rows == [(run.run_id,)]


@pytest.mark.parametrize("ahead", [0, 2])
def test_a_range_into_the_future_is_refused(platform, monkeypatch, ahead):
    monkeypatch.setenv("BIONICPRO_ROLLUP", "external")
    first = floor_hour(datetime.now(UTC)) + timedelta(hours=ahead)
    outcome = platform.run(first, first + timedelta(hours=1))
    assert "hasn't begun" in " ".join(outcome.failures)
    assert platform.instance.get_materialized_partitions(keys.MART) == set()


def test_the_mart_alone_needs_its_extracts_loaded_before(platform, sources, monkeypatch):
    monkeypatch.setenv("BIONICPRO_ROLLUP", "external")
    result = platform.materialise(
        ["reports/user_prosthesis_stats", "quarantine/rejected_telemetry"], partition_key(FIRST), partition_key(OPEN)
    )
    assert not result.success
    (failure,) = [e for e in result.all_events if e.is_step_failure]
    description = failure.step_failure_data.user_failure_data.description
    assert "was never loaded for" in description
    assert isinstance(result, dg.ExecuteInProcessResult)
