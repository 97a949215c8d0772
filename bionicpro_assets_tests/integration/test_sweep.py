"""The sweep: what nobody sees goes, what anybody sees or may see stays."""

from datetime import timedelta

import pytest

from bionicpro_assets.defs import keys
from bionicpro_assets.errors import ClickHouseError
from bionicpro_assets.load.sweep import sweep
from bionicpro_assets_tests.integration.test_publish import NAME, A, B, Fails, hourly, later, put, visible
from bionicpro_assets_tests.publishing import publish_frame

NOTHING = timedelta(0)
pytestmark = pytest.mark.filterwarnings("ignore")


def swept(clickhouse, replaced=NOTHING, uncommitted=NOTHING):
    done = sweep(clickhouse, NAME, replaced_grace=replaced, uncommitted_grace=uncommitted)
    return dict(done.rows), dict(done.publications)


def stored(clickhouse):
    _, ((rows,),) = clickhouse.rows("SELECT count() FROM storage.hourly_telemetry")
    return rows


def abandon(clickhouse, values, read_at):
    """Write rows and never commit them."""
    failing = Fails(clickhouse, "commit", after=False, error=ClickHouseError("killed"))
    with pytest.raises(ClickHouseError):
        publish_frame(failing, NAME, hourly(values, read_at), run_id="killed", batch_size=10, attempts=1)


def test_what_was_replaced_goes_and_what_is_visible_stays(clickhouse):
    for minute, n in enumerate([1, 2, 3]):
        put(clickhouse, {A: [n, n], B: [n]}, later(minute))
    assert stored(clickhouse) == 9
    assert swept(clickhouse) == ({"replaced": 6}, {"replaced": 4})
    assert stored(clickhouse) == 3
    assert visible(clickhouse) == {A: [3, 3], B: [3]}
    assert swept(clickhouse) == ({}, {})


def test_what_was_replaced_a_moment_ago_stays_for_those_who_read_it(clickhouse):
    put(clickhouse, {A: [1]})
    put(clickhouse, {A: [2]}, later(1))
    assert swept(clickhouse, replaced=timedelta(hours=1)) == ({}, {})
    assert stored(clickhouse) == 2


def test_a_late_older_publication_goes(clickhouse):
    put(clickhouse, {A: [2]}, later(2))
    put(clickhouse, {A: [1]}, later(1))
    assert swept(clickhouse) == ({"replaced": 1}, {"replaced": 1})
    assert visible(clickhouse) == {A: [2]}


def test_a_publication_that_is_current_again_stays(clickhouse):
    """Confirmed, replaced by an older-looking attempt, confirmed again: its last place counts."""
    put(clickhouse, {A: [1]})
    put(clickhouse, {A: [1]}, later(3))
    put(clickhouse, {A: [9]}, later(1))
    assert swept(clickhouse) == ({"replaced": 1}, {"replaced": 1})
    assert visible(clickhouse) == {A: [1]}


def test_an_emptied_hour_stays_empty(clickhouse):
    put(clickhouse, {A: [1, 2], B: [3]})
    put(clickhouse, {A: []}, later(1))
    assert swept(clickhouse) == ({"replaced": 2}, {"replaced": 1})
    assert visible(clickhouse) == {B: [3]}


def test_an_attempt_that_never_committed_goes_after_its_grace(clickhouse):
    put(clickhouse, {A: [1]})
    abandon(clickhouse, {A: [7, 7], B: [7]}, later(1))
    assert swept(clickhouse, uncommitted=timedelta(hours=1)) == ({}, {}), "it may still be running"
    assert swept(clickhouse) == ({"never committed": 3}, {"never committed": 2})
    assert visible(clickhouse) == {A: [1]}


def test_the_journal_keeps_everything(clickhouse):
    for minute in range(3):
        put(clickhouse, {A: [minute]}, later(minute))
    swept(clickhouse)
    assert clickhouse.rows("SELECT count() FROM storage.publications")[1] == [(3,)]


def test_many_publications_across_months_are_swept(clickhouse, monkeypatch):
    monkeypatch.setattr("bionicpro_assets.load.sweep.DELETE_CHUNK", 7)
    first = A.replace(day=1, hour=0) - timedelta(hours=20)
    hours = [first + timedelta(hours=i) for i in range(40)]
    for minute in range(2):
        put(clickhouse, {h: [minute, i] for i, h in enumerate(hours)}, later(minute))
    assert swept(clickhouse) == ({"replaced": 80}, {"replaced": 40})
    assert visible(clickhouse) == {h: sorted([1, i]) for i, h in enumerate(hours)}


def test_the_scheduled_job_sweeps_all_tables_and_says_how_much(platform, sources, monkeypatch):
    monkeypatch.setenv("BIONICPRO_ROLLUP", "external")
    sources.add_wearer("C1", "anna")
    sources.add_hour("C1", A)
    platform.load(A, A)
    result = platform.materialise(["storage/publications"])
    assert result.success
    (record,) = platform.instance.fetch_materializations(keys.JOURNAL, limit=5).records
    metadata = {k: v.value for k, v in record.asset_materialization.metadata.items()}
    assert metadata["rows_swept"] == 0
    assert metadata["reports.user_prosthesis_stats: rows replaced"] == 0
