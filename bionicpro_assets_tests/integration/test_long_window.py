"""A long window: worked through in parts, published at once, recorded hour by hour, and no larger for its length."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster import DagsterEventType, serialize_value

from bionicpro_assets.definitions import build_definitions
from bionicpro_assets.defs import keys
from bionicpro_assets.extract.postgres import Snapshot
from bionicpro_assets.hours import floor_hour, hour_range, partition_key
from bionicpro_assets.instance import dagster_instance
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.settings import Settings
from bionicpro_assets.steps import mart
from bionicpro_assets_tests.integration.platform import Platform

pytestmark = pytest.mark.filterwarnings("ignore")
HOURS = 50
OPEN = floor_hour(datetime.now(UTC))
FIRST = OPEN - timedelta(hours=HOURS - 1)
WINDOW = hour_range(FIRST, OPEN)
CHUNK_ROWS = 16
CHIPS = ["C1", "C2", "C3", "UNKNOWN"]
# What an event may weigh that stands for one of many hours; with the table's columns and lineage it was 13 KB.
EVENT_BYTES = 5000


@pytest.fixture
def recorded(platform, monkeypatch, tmp_path) -> Iterator[Platform]:
    """A fleet with hours without telemetry, on an instance as the embedded profile has it."""
    monkeypatch.setenv("BIONICPRO_ROLLUP", "external")
    monkeypatch.setenv("BIONICPRO_CHUNK_ROWS", str(CHUNK_ROWS))
    monkeypatch.setenv("BIONICPRO_PARTITIONS_START", f"{FIRST:%Y-%m-%dT%H:%M}")
    monkeypatch.setenv("BIONICPRO_HOME", str(tmp_path / "home"))
    for chip in CHIPS[:3]:
        platform.sources.add_wearer(chip, f"user-{chip}")
    for n, hour in enumerate(WINDOW):
        for chip in CHIPS[: n % 5]:
            platform.sources.add_hour(chip, hour, movements_count=100 + n)
    with dagster_instance(Settings.load()) as instance:
        yield Platform(platform.sources, platform.clickhouse, instance)


@pytest.fixture
def heights(monkeypatch) -> dict[str, list[int]]:
    """Rows of every frame that is read, by where from."""
    seen: dict[str, list[int]] = defaultdict(list)
    for cls, method in ((ClickHouse, "frame"), (Snapshot, "read")):
        real = getattr(cls, method)

        def spy(*arguments, _real=real, _name=cls.__name__, **options):
            frame = _real(*arguments, **options)
            # What the catalog says of columns, and how many rows an hour has, is no data.
            if "hour_start" in frame.columns and "rows" not in frame.columns:
                seen[_name].append(frame.height)
            return frame

        monkeypatch.setattr(cls, method, spy)
    return seen


def test_a_run_of_a_backfill_has_as_many_hours_as_the_setting_says(recorded, monkeypatch):
    monkeypatch.setenv("BIONICPRO_HOURS_PER_RUN", "48")
    graph = build_definitions(Settings.load()).resolve_asset_graph()
    policies = {graph.get(key).backfill_policy for key in keys.PUBLISHED}
    assert policies == {dg.BackfillPolicy.multi_run(48)}


def test_every_hour_is_joined_once_and_not_again_where_nothing_changed(recorded, monkeypatch):
    monkeypatch.setenv("BIONICPRO_CHUNK_ROWS", "1")
    joined = []
    real = mart.join_telemetry_with_customers

    def spy(crm, telemetry, **options):
        joined.append(sorted(set(telemetry["hour_start"])))
        return real(crm, telemetry, **options)

    monkeypatch.setattr(mart, "join_telemetry_with_customers", spy)
    first = OPEN - timedelta(hours=3)
    recorded.load(first, OPEN)
    assert recorded.mart() == recorded.sources.expected_mart(first, OPEN)
    assert len(joined) == 4, "hour by hour"
    recorded.load(OPEN - timedelta(hours=9), OPEN)
    assert len(joined) == 4 + 6, "the four were made of the same publications"


def test_a_long_window(recorded, heights):
    run_id = recorded.load(FIRST, OPEN)

    assert recorded.mart() == recorded.sources.expected_mart(FIRST, OPEN)
    assert max(heights["ClickHouse"]) <= CHUNK_ROWS, "no more rows are in memory at once than the setting says"
    assert max(heights["Snapshot"]) <= CHUNK_ROWS
    rows = recorded.sources.in_telemetry("SELECT count(*) FROM telemetry.hourly_stats")[0][0]
    assert sum(heights["Snapshot"]) == rows > 5 * CHUNK_ROWS, "and nothing is read twice from the source"

    _, reads = recorded.clickhouse.rows(
        "SELECT table_name, count(), uniqExact(publication), uniqExact(source_read_at), uniqExact(committed_at) "
        "FROM storage.publications GROUP BY table_name"
    )
    assert sorted(reads) == [(".".join(key.path), HOURS, 1, 1, 1) for key in sorted(keys.PUBLISHED)], (
        "all parts are of one read, and visible at once"
    )

    for key in keys.PUBLISHED:
        events = recorded.instance.fetch_materializations(key, limit=2 * HOURS).records
        assert sorted(e.partition_key for e in events) == [partition_key(hour) for hour in WINDOW]
        of_many = [e for e in events if e.partition_key != partition_key(OPEN)]
        assert max(len(serialize_value(e.event_log_entry)) for e in of_many) < EVENT_BYTES
    counts = {
        e.partition_key: e.asset_materialization.metadata["dagster/partition_row_count"].value
        for e in recorded.instance.fetch_materializations(keys.TELEMETRY_EXTRACT, limit=HOURS).records
    }
    assert counts == {partition_key(hour): n % 5 for n, hour in enumerate(WINDOW)}

    evaluated = [
        e.dagster_event.asset_check_evaluation_data
        for e in recorded.instance.all_logs(run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION)
    ]
    unknown = next(e for e in evaluated if e.check_name == "every_chip_known" and e.partition is None)
    hours_with_unknown = sum(n % 5 == len(CHIPS) for n in range(HOURS))
    assert unknown.metadata["failed"].value == hours_with_unknown, "claims look at every hour of every part"
    of_mart = [e for e in evaluated if e.partition is None and e.asset_key == keys.MART]
    checked = {e.check_name: e.metadata["checked"].value for e in of_mart}
    assert checked["right_wearer"] == len(recorded.mart())
    assert checked["nothing_lost_nothing_doubled"] == rows
