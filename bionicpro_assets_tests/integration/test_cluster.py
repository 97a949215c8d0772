"""The cluster's SQL on the real engine, as far as one process goes.

Run here: every statement parsed by ClickHouse; replicated tables made; publication, its audit over all replicas, views,
checks and sweep on Distributed tables. Not run here: a second server, ON CLUSTER, replication between servers, quorums.
"""

import json
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from bionicpro_assets.errors import ClickHouseError, PublicationError
from bionicpro_assets.frames import HourlyFrame
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.cluster import check_cluster, wait_for_every_replica
from bionicpro_assets.load.sweep import sweep
from bionicpro_assets.load.table import HourlyTable, rows_in_tables
from bionicpro_assets.quality.claims import claims
from bionicpro_assets.quality.evaluate import evaluate
from bionicpro_assets.quality.stored import published_verdict
from bionicpro_assets.settings import Settings
from bionicpro_assets.setup.access import apply_clickhouse_roles, put_user
from bionicpro_assets.setup.clickhouse import apply_clickhouse_schema
from bionicpro_assets.setup.cluster import SHARDED_BY, for_cluster
from bionicpro_assets.sqlfiles import SQL_ROOT, scripts
from bionicpro_assets_tests.integration.test_publish import NAME, NOW, A, B, hourly, later, visible
from bionicpro_assets_tests.publishing import publish_frame

pytestmark = pytest.mark.filterwarnings("ignore")
MART = "reports.user_prosthesis_stats"
CONFIG = Path(__file__).with_name("cluster.xml")
FILES = [(f, text) for folder in ("schema", "roles", "cluster_roles") for f, text in scripts(f"clickhouse/{folder}")]


class OneProcess(ClickHouse):
    """A cluster of servers that are all this process: what is sent ON CLUSTER is applied here.

    With `replicated`, tables are replicated ones, which the embedded engine makes and never writes to.
    """

    def __init__(self, folder, cluster, *, replicated=False):
        super().__init__(f"chdb://{folder}/engine", cluster=cluster)
        self.folder, self.replicated, self.sent = folder, replicated, []
        self.missing = 0

    def _open_engine(self, folder):
        return super()._open_engine(f"{folder}?config-file={CONFIG}")

    def command(self, statement, parameters=None):
        self.sent.append(statement)
        # Of two replicas that are the same server, a Distributed table would write to both.
        statement = re.sub(r" ON CLUSTER '\w+'", "", statement).replace("Distributed('pair'", "Distributed('one'")
        if self.replicated and not statement.lstrip().startswith("CREATE"):
            return
        if not self.replicated:
            statement = re.sub(r"ReplicatedMergeTree\([^)]*\)", "MergeTree", statement)
        super().command(statement, parameters)

    def rows(self, query, parameters=None, settings=None):
        # A replica that lags behind: one row of what it should have isn't there yet.
        if self.missing and "_everywhere" in query:
            self.missing -= 1
            query = query.replace(" GROUP BY hour_start", " WHERE rowNumberInAllBlocks() > 0 GROUP BY hour_start")
        return super().rows(query, parameters, settings)


@pytest.fixture(params=["one", "pair"])
def cluster(request, tmp_path):
    """A cluster with one or two replicas, with the schema."""
    with OneProcess(tmp_path, request.param) as made:
        apply_clickhouse_schema(made)
        made.sent.clear()
        yield made


def one_row(table):
    """The hour A with one row of the table's own types."""
    values = {c.name: 1 if c.dtype.is_numeric() else "C0" if c.dtype == pl.String() else None for c in table.columns}
    times = {
        c.name: c.dtype for c in table.columns if c.dtype.is_temporal()
    }  # fmt: skip
    row = pl.DataFrame([values | dict.fromkeys(times, A.replace(tzinfo=None))])
    row = row.with_columns(
        pl.col(n).dt.replace_time_zone(d.time_zone) if getattr(d, "time_zone", None) else pl.col(n).cast(d)
        for n, d in times.items()
    )
    return HourlyFrame(row.cast({c.name: c.dtype for c in table.columns}), {A: NOW})


def put(clickhouse, values, read_at=NOW):
    return publish_frame(clickhouse, NAME, hourly(values, read_at), run_id="test", batch_size=2, attempts=1)


def test_every_file_is_rendered_and_parsed_by_the_engine(tmp_path):
    with ClickHouse(f"chdb://{tmp_path}/engine") as engine:
        for name, text in FILES:
            assert for_cluster(text, None) == [text]
            for statement in for_cluster(text, "reports"):
                assert len(re.findall(r"\bON CLUSTER 'reports'", statement)) == 1, name
                assert not re.search(r"ENGINE = MergeTree", statement), name
                assert not re.search(r"(?<!GLOBAL )\bIN \(\s*SELECT", statement), name
                engine.rows(f"EXPLAIN AST {statement}")
        unknown = "OPTIMIZE TABLE storage.publications"
        with pytest.raises(ClickHouseError, match="can't be rendered for a cluster: OPTIMIZE"):
            for_cluster(unknown, "reports")
        with pytest.raises(ClickHouseError, match="engine isn't a plain MergeTree"):
            for_cluster("CREATE TABLE IF NOT EXISTS storage.x (a UInt8) ENGINE = Log", "reports")
        with pytest.raises(ClickHouseError, match="can't be a cluster's name"):
            for_cluster("CREATE DATABASE IF NOT EXISTS x", "a' b")


def test_a_new_column_comes_to_the_rows_before_it_comes_to_the_name():
    first, second = for_cluster("ALTER TABLE storage.hourly_telemetry ADD COLUMN IF NOT EXISTS x UInt8", "c")
    assert first == "ALTER TABLE storage.hourly_telemetry_local ON CLUSTER 'c' ADD COLUMN IF NOT EXISTS x UInt8"
    assert second == "ALTER TABLE storage.hourly_telemetry ON CLUSTER 'c' ADD COLUMN IF NOT EXISTS x UInt8"
    assert for_cluster("ALTER TABLE storage.publications ADD COLUMN x UInt8", "c") == [
        "ALTER TABLE storage.publications ON CLUSTER 'c' ADD COLUMN x UInt8"
    ]


def test_every_table_of_rows_is_sharded_and_the_others_are_everywhere():
    of_a_publication = {
        name
        for _, text in scripts("clickhouse/schema")
        for name in re.findall(r"^CREATE TABLE IF NOT EXISTS (\S+)", text, re.MULTILINE)
        if re.search(r"^    publication ", text, re.MULTILINE)
    }
    assert set(SHARDED_BY) == of_a_publication - {"storage.publications"}


def test_the_engine_makes_the_replicated_tables(tmp_path):
    # In a process that is never asked to end in order: the embedded engine can't let go of a replicated table.
    done = subprocess.run(
        [sys.executable, "-m", "bionicpro_assets_tests.integration.replicated_tables", str(tmp_path)],
        cwd=SQL_ROOT.parent, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = {table: (path, replica) for table, path, replica in json.loads(done.stdout)}
    for everywhere in ("publications", "schema_changes"):
        assert found.pop(everywhere) == (f"/clickhouse/tables/one/storage/{everywhere}", "01-r1")
    assert found == {
        f"{table}_local": (f"/clickhouse/tables/one/01/storage/{table}", "r1")
        for table in (name.partition(".")[2] for name in SHARDED_BY)
    }


def test_rows_are_published_replaced_swept_and_checked(cluster, monkeypatch):
    put(cluster, {A: [1, 2, 3], B: [4]})
    put(cluster, {A: [5, 6]}, later(1))
    assert visible(cluster) == {A: [5, 6], B: [4]}
    # The same again is confirmed, and an older read stays unseen.
    assert list(put(cluster, {A: [5, 6]}, later(2)).unchanged) == [A]
    put(cluster, {A: [9]}, later(-5))
    assert visible(cluster) == {A: [5, 6], B: [4]}
    table = HourlyTable.of(cluster, NAME)
    assert rows_in_tables(cluster, [NAME]) == {NAME: 3}
    assert table.load(cluster, [A, B]).rows.height == 3
    assert {c.name for c in table.columns if not c.comment} == set(), "the comments come along"
    done = sweep(cluster, NAME, replaced_grace=timedelta(0), uncommitted_grace=timedelta(0))
    assert dict(done.rows) == {"replaced": 4}
    assert any(f"DELETE FROM storage.hourly_telemetry_local ON CLUSTER '{cluster.cluster}'" in s for s in cluster.sent)
    assert cluster.rows("SELECT count() FROM storage.hourly_telemetry")[1][0][0] == 3
    assert visible(cluster) == {A: [5, 6], B: [4]}


def test_every_check_and_comparison_can_be_asked_of_a_cluster(cluster):
    for name in ("staging.crm_customer_prosthesis", NAME, "quarantine.rejected_telemetry", MART):
        publish_frame(cluster, name, one_row(HourlyTable.of(cluster, name)), run_id="test", batch_size=2, attempts=1)
        assert cluster.rows(f"SELECT count() FROM {name}")[1][0][0] == 1
    source = "postgresql://nobody@127.0.0.1:1/none"
    settings = Settings(
        BIONICPRO_CRM_DB_URL=source, BIONICPRO_TELEMETRY_DB_URL=source, BIONICPRO_CLICKHOUSE_URL="http://c/reports"
    )
    verdicts = {(v.claim.table, v.claim.name): v for v in evaluate(cluster, claims(settings), [A])}
    assert len(verdicts) == len(claims(settings))
    assert verdicts[MART, "one_row_per_prosthesis_and_hour"].passed
    # One row of telemetry is one in the mart and one in the quarantine.
    assert not verdicts[MART, "nothing_lost_nothing_doubled"].passed
    assert published_verdict(cluster, [A]).passed
    for name, _ in SHARDED_BY.items():
        public = f"{'reports' if 'user_prosthesis' in name else 'staging'}.{name.partition('.')[2]}"
        if "rejected" not in name:
            assert not sweep(cluster, public, replaced_grace=timedelta(0), uncommitted_grace=timedelta(0)).rows


def test_nothing_is_committed_before_every_replica_has_the_rows(cluster):
    put(cluster, {A: [1]})
    table = HourlyTable.of(cluster, NAME)
    # It arrives while it is waited for.
    cluster.missing = 2
    put(cluster, {A: [2, 3]}, later(1))
    assert cluster.missing == 0
    assert visible(cluster) == {A: [2, 3]}
    # It doesn't arrive.
    entry = table.current(cluster, A, B)[A]
    number = entry.number
    cluster.missing = 1000
    with pytest.raises(
        PublicationError, match=r"not every replica has the rows of storage\.hourly_telemetry"
    ) as failure:
        wait_for_every_replica(cluster, table, {A: number}, {A: (2, entry.checksum)}, seconds=0.1)
    cluster.missing = 0
    assert failure.value.retryable
    assert "must leave the cluster" in str(failure.value)


def test_nothing_is_swept_while_a_journal_lags_behind(cluster, monkeypatch):
    put(cluster, {A: [1]})
    put(cluster, {A: [2]}, later(1))
    real = cluster.rows
    monkeypatch.setattr(
        cluster, "rows", lambda q, *a: (["here", "everywhere"], [(2, 1)]) if "AS everywhere" in q else real(q, *a)
    )
    with pytest.raises(PublicationError, match="journal lags behind"):
        sweep(cluster, NAME, replaced_grace=timedelta(0))
    monkeypatch.undo()
    assert cluster.rows("SELECT count() FROM storage.hourly_telemetry")[1][0][0] == 2


def test_the_setting_and_the_tables_must_agree(cluster, tmp_path):
    known, cluster.cluster = cluster.cluster, None
    try:
        with pytest.raises(ClickHouseError, match="is spread over a cluster; name it in BIONICPRO_CLICKHOUSE_CLUSTER"):
            put(cluster, {A: [1]})
    finally:
        cluster.cluster = known


def test_tables_of_one_server_are_not_taken_for_a_clusters(clickhouse):
    clickhouse.cluster = "one"
    with pytest.raises(ClickHouseError, match="was made for a single server"):
        put(clickhouse, {A: [1]})


def test_a_cluster_that_isnt_safe_is_refused_before_anything_is_made(tmp_path):
    with OneProcess(tmp_path, "one") as made:
        for name, complaint in {
            "nowhere": "isn't defined in remote_servers",
            "uneven": "different numbers of replicas",
            "twice": "without internal_replication",
            "secret": "has servers that are asked as default: readers of reports would be refused there",
        }.items():
            made.cluster = name
            with pytest.raises(ClickHouseError, match=complaint) as failure:
                apply_clickhouse_schema(made)
            assert not failure.value.retryable
        assert made.sent == []


def test_servers_without_macros_are_refused(clickhouse, monkeypatch):
    clickhouse.cluster = "one"
    real = clickhouse.rows
    monkeypatch.setattr(
        clickhouse,
        "rows",
        lambda q, *a: ([], [(1, 2, 1, ["bionicpro_shards"])]) if "system.clusters" in q else real(q, *a),
    )
    with pytest.raises(ClickHouseError, match="has no macro replica and shard"):
        check_cluster(clickhouse)


def test_roles_and_users_are_made_on_all_servers(monkeypatch):
    sent = []
    clickhouse = ClickHouse("http://c/reports", cluster="reports")
    monkeypatch.setattr(clickhouse, "command", sent.append)
    monkeypatch.setattr(clickhouse, "rows", lambda *_: ([], [("user_prosthesis_stats",)]))
    apply_clickhouse_roles(clickhouse)
    put_user(clickhouse, "reports_api", "report_reader", "long enough for this", "anna")
    assert len(sent) > 10
    assert all(s.count(" ON CLUSTER 'reports'") == 1 for s in sent), sent
    put_user(clickhouse, "bionicpro_shards", "shards", "long enough for this")
    # Whoever may ask any server may try logins there: that is for the one as whom nobody logs in.
    assert [s.rpartition(" TO ")[2].strip() for s in sent if re.search(r"^GRANT .*\bREMOTE\b", s)] == [
        "bionicpro_views"
    ]
    assert [s.rpartition(" TO ")[2].strip() for s in sent if re.search(r"^GRANT .* ON \*\.\*", s)] == [
        "bionicpro_etl", "bionicpro_views",
    ]  # fmt: skip
    asking_others = [s for s in sent if "_everywhere" in s]
    assert len(asking_others) == 5
    assert all(s.endswith("MODIFY SQL SECURITY DEFINER DEFINER = bionicpro_views") for s in asking_others)


def test_no_query_asks_other_servers_but_by_the_views(cluster):
    queries = [*SQL_ROOT.rglob("*.sql"), *(SQL_ROOT.parent / "bionicpro_assets").rglob("*.py")]
    assert [q.name for q in queries if "clusterAllReplicas(" in q.read_text()] == ["cluster.py"]
    put(cluster, {A: [1, 2]})
    copies = {"one": 1, "pair": 2}[cluster.cluster]
    for name in ("storage.hourly_telemetry", "storage.publications"):
        count = cluster.rows(f"SELECT count() FROM {name}")[1][0][0]
        assert cluster.rows(f"SELECT count() FROM {name}_everywhere")[1][0][0] == count * copies
