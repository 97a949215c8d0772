"""Observations of the source tables, in Dagster's record and for users who may read less."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from bionicpro_assets.definitions import build_definitions
from bionicpro_assets.defs import keys
from bionicpro_assets.hours import floor_hour
from bionicpro_assets.settings import Settings
from bionicpro_assets_tests.integration.sources import as_user, execute, reader_of

pytestmark = pytest.mark.filterwarnings("ignore")
HOUR = floor_hour(datetime.now(UTC))
SOURCES = (keys.CUSTOMERS, keys.PROSTHESES, keys.RAW_TELEMETRY, keys.HOURLY_STATS)


def observe(instance) -> dict[dg.AssetKey, dict]:
    """Run the job; the metadata of the newest observation of every source, and its data version."""
    job = build_definitions(Settings.load()).resolve_job_def(keys.OBSERVE_JOB)
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    result = job.execute_in_process(quiet, instance=instance, raise_on_error=False)
    assert result.success, [e for e in result.all_events if e.is_step_failure]
    found = {}
    for key in SOURCES:
        for record in instance.fetch_observations(key, limit=1).records:
            observation = record.asset_observation
            found[key] = {label: entry.value for label, entry in observation.metadata.items()}
            found[key]["version"] = observation.tags["dagster/data_version"]
    return found


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def configured(sources, monkeypatch):
    monkeypatch.setenv("BIONICPRO_CRM_DB_URL", sources.crm.url)
    monkeypatch.setenv("BIONICPRO_TELEMETRY_DB_URL", sources.telemetry.url)
    monkeypatch.setenv("BIONICPRO_CLICKHOUSE_URL", "http://127.0.0.1:1/reports")
    return sources


def test_what_is_observed(configured, instance):
    configured.add_wearer("C1", "anna")
    configured.add_wearer("C2", "anna", category="leg")
    configured.add_wearer(None, "boris")
    configured.in_telemetry("INSERT INTO telemetry.raw_telemetry (chip_id, timestamp) VALUES ('C1', %s)", (HOUR,))
    execute(configured.telemetry.url, "ANALYZE telemetry.raw_telemetry", autocommit=True)
    found = observe(instance)
    assert set(found) == {keys.CUSTOMERS, keys.PROSTHESES, keys.RAW_TELEMETRY}, "the roll-up is materialised here"
    assert (found[keys.CUSTOMERS]["dagster/row_count"], found[keys.PROSTHESES]["dagster/row_count"]) == (2, 3)
    assert found[keys.RAW_TELEMETRY]["row_count_estimate"] == 1
    assert "dagster/row_count" not in found[keys.RAW_TELEMETRY]
    for key, metadata in found.items():
        assert metadata["seen_in"] == ".".join(key.path)
        updated_at = datetime.fromtimestamp(metadata["dagster/last_updated_timestamp"], UTC)
        assert timedelta(0) <= datetime.now(UTC) - updated_at < timedelta(minutes=5)
    columns = {c.name: c.type for c in found[keys.CUSTOMERS]["dagster/column_schema"].columns}
    assert columns["external_id"] == "character varying"


def test_the_data_version_moves_with_the_data_and_not_without(configured, instance):
    configured.add_wearer("C1", "anna")
    first, second = observe(instance), observe(instance)
    configured.in_crm("UPDATE crm.prostheses SET status = 'maintenance'")
    third = observe(instance)
    versions = [{key: metadata["version"] for key, metadata in found.items()} for found in (first, second, third)]
    assert versions[0] == versions[1]
    assert {key for key in versions[0] if versions[0][key] != versions[2][key]} == {keys.PROSTHESES}


def test_empty_tables_are_observed_too(configured, instance):
    found = observe(instance)
    assert found[keys.CUSTOMERS]["version"] == "0 rows, never"
    assert found[keys.RAW_TELEMETRY]["version"] == "never"


def test_users_who_may_read_the_two_views_only(deployed, instance, monkeypatch):
    """And a database without raw rows."""
    monkeypatch.setenv("BIONICPRO_CLICKHOUSE_URL", "http://127.0.0.1:1/reports")
    monkeypatch.setenv("BIONICPRO_ROLLUP", "external")
    deployed.add_wearer("C1", "anna")
    deployed.add_wearer(None, "boris", status="sold")
    deployed.add_hour("C1", HOUR)
    views = {deployed.crm: "crm.v_customer_prosthesis", deployed.telemetry: "telemetry.v_hourly_telemetry"}
    with reader_of(deployed.admin, views) as reader:
        for source, setting in (
            (deployed.crm, "BIONICPRO_CRM_DB_URL"),
            (deployed.telemetry, "BIONICPRO_TELEMETRY_DB_URL"),
        ):
            monkeypatch.setenv(setting, as_user(source, reader).url)
        found = observe(instance)
    assert set(found) == set(SOURCES)
    assert found[keys.CUSTOMERS]["dagster/row_count"] == 1, "the view shows active prostheses only"
    for metadata in found.values():
        assert metadata["seen_in"].startswith(("crm.v_", "telemetry.v_"))
        assert "dagster/column_schema" not in metadata
        assert "dagster/last_updated_timestamp" in metadata
