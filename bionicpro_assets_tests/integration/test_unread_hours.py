"""What a run says and does of hours whose rows it hasn't read, because nothing has changed."""

from datetime import UTC, datetime

import dagster as dg
import pytest

from bionicpro_assets.defs import checks, keys
from bionicpro_assets.hours import HOUR, floor_hour, partition_key
from bionicpro_assets.load.publish import ReplacedError, publish
from bionicpro_assets.load.table import HourlyTable
from bionicpro_assets.steps.crm import CRM_EXTRACT, crm_load
from bionicpro_assets.steps.mart import mart_load
from bionicpro_assets.steps.telemetry import TELEMETRY, telemetry_load
from bionicpro_assets_tests.integration.platform import Platform

FIRST = floor_hour(datetime.now(UTC)) - 30 * HOUR
SECOND = FIRST + HOUR
EXTRACTS = ["staging/crm_customer_prosthesis", "staging/hourly_telemetry"]
MART_ONLY = ["reports/user_prosthesis_stats", "quarantine/rejected_telemetry"]
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def loaded(platform, monkeypatch) -> Platform:
    """Two chips, loaded for both hours."""
    monkeypatch.setenv("BIONICPRO_ROLLUP", "external")
    for number in range(2):
        platform.sources.add_wearer(f"C{number}", f"user{number}")
        for hour in (FIRST, SECOND):
            platform.sources.add_hour(f"C{number}", hour)
    platform.load(FIRST, SECOND)
    made: Platform = platform
    return made


def is_right(platform: Platform) -> bool:
    return platform.mart() == platform.sources.expected_mart(FIRST, SECOND)


def verdicts(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {e.check_name: e.passed for e in result.get_asset_check_evaluations() if e.partition is None}


def test_rows_that_were_kept_from_being_published_are_no_failure_of_those_that_are_visible(loaded):
    """The view doubles its rows, which blocks them; mended, the state is the one of the visible rows."""
    sources = loaded.sources
    ((view,),) = sources.in_telemetry("SELECT pg_get_viewdef('telemetry.v_hourly_telemetry'::regclass)")
    view = view.strip().rstrip(";")
    sources.in_telemetry(f"CREATE OR REPLACE VIEW telemetry.v_hourly_telemetry AS ({view}) UNION ALL ({view})")
    assert "one_row_per_chip_and_hour" in loaded.run(FIRST, SECOND).failures[0]
    sources.in_telemetry(f"CREATE OR REPLACE VIEW telemetry.v_hourly_telemetry AS {view}")
    sources.in_crm("UPDATE crm.customers SET email = 'new' || email")
    loaded.load(FIRST, SECOND)
    assert is_right(loaded)


@pytest.mark.parametrize("replaced", [CRM_EXTRACT, TELEMETRY])
def test_a_mart_is_not_made_of_rows_that_another_run_replaced_meanwhile(loaded, replaced):
    """It would stay: what is visible of the mart is of the newer read of telemetry, whoever wears the prosthesis."""
    clickhouse, hours, sources = loaded.clickhouse, [FIRST, SECOND], loaded.sources
    before = loaded.mart()
    crm, telemetry = (HourlyTable.of(clickhouse, n).published(clickhouse, hours) for n in (CRM_EXTRACT, TELEMETRY))
    options = {"run_id": "test", "batch_size": 10_000}
    if replaced == CRM_EXTRACT:
        sources.in_crm("UPDATE crm.customers SET email = 'new' || email")
        publish(clickhouse, crm_load(sources.crm, clickhouse, hours, chunk_rows=100_000, as_of_now=True), **options)
    else:
        sources.in_telemetry("UPDATE telemetry.hourly_stats SET error_count = 7, updated_at = now()")
        publish(clickhouse, telemetry_load(sources.telemetry, clickhouse, hours, chunk_rows=100_000), **options)
    late = mart_load(
        clickhouse, crm, telemetry, hours, report_timezone="UTC", chunk_rows=100_000, now=datetime.now(UTC)
    )
    with pytest.raises(ReplacedError, match=f"made of rows of {replaced} that another run replaced"):
        publish(clickhouse, late, **options)
    assert loaded.mart() == before


def test_a_mart_that_is_loaded_alone_is_looked_at(loaded):
    """Its extracts were read no later than before: whoever asks for it wants to have it compared."""
    loaded.clickhouse.command(
        "ALTER TABLE storage.user_prosthesis_stats UPDATE error_count = 77 WHERE 1 SETTINGS mutations_sync = 2"
    )
    result = loaded.materialise(MART_ONLY, partition_key(FIRST), partition_key(SECOND))
    assert result.success
    assert is_right(loaded)


def test_what_was_found_when_rows_were_looked_at_is_said_though_no_check_said_it_then(loaded, monkeypatch):
    loaded.sources.add_hour("UNKNOWN", FIRST)

    def stopped(*_: object) -> None:
        raise RuntimeError("the container was stopped")

    with monkeypatch.context() as before:
        before.setattr(checks.Asked, "verdicts", stopped)
        loaded.materialise([*EXTRACTS, *MART_ONLY], partition_key(FIRST), partition_key(SECOND))
    outcome = loaded.run(FIRST, SECOND)
    assert any("every_chip_known" in doubt and "UNKNOWN" in doubt for doubt in outcome.doubts)
    assert outcome.failures == []
    # And it is over when it is over.
    loaded.sources.in_telemetry("DELETE FROM telemetry.hourly_stats WHERE chip_id = 'UNKNOWN'")
    assert not any("every_chip_known" in doubt for doubt in loaded.run(FIRST, SECOND).doubts)


def test_a_failure_is_said_again_as_long_as_nothing_changes(loaded):
    loaded.sources.add_hour("UNKNOWN", FIRST)
    for _ in range(3):
        outcome = loaded.run(FIRST, SECOND)
        assert any("every_chip_known" in doubt for doubt in outcome.doubts)
    latest = loaded.instance.fetch_materializations(keys.MART, limit=1).records[0].asset_materialization
    assert latest.metadata["unchanged_hours"].value == 2


def test_altered_telemetry_is_never_joined(loaded):
    """The CRM has changed, so that the mart is made anew; the telemetry is confirmed, and was altered in ClickHouse."""
    loaded.clickhouse.command(
        "ALTER TABLE storage.hourly_telemetry UPDATE error_count = 77 WHERE 1 SETTINGS mutations_sync = 2"
    )
    loaded.sources.in_crm("UPDATE crm.customers SET email = 'new' || email")
    (failure,) = loaded.run(FIRST, SECOND).failures
    assert "storage.hourly_telemetry has other rows than were published" in failure
    assert {row[11] for row in loaded.mart()} == {3}, "readers keep what they had"
    loaded.clickhouse.command(
        "ALTER TABLE storage.publications UPDATE compared_at = compared_at - INTERVAL 1 HOUR WHERE 1 "
        "SETTINGS mutations_sync = 2"
    )
    loaded.load(FIRST, SECOND)
    assert is_right(loaded)
