"""Publishing to a ClickHouse cluster: what every session asks for, and what must be true before a commit and a sweep.

Rows are sharded and replicated; the journal is replicated to every server. Whoever reads goes by the journal of the
server that was asked, and by rows of any replica of each shard. So before a commit every replica must have the rows,
and before a sweep every journal must know that they were replaced.
"""

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from bionicpro_assets.errors import ClickHouseError, PublicationError
from bionicpro_assets.hours import describe
from bionicpro_assets.sqlfiles import sql

if TYPE_CHECKING:
    from bionicpro_assets.load.clickhouse import ClickHouse
    from bionicpro_assets.load.table import HourlyTable

SETTING = "BIONICPRO_CLICKHOUSE_CLUSTER"
LOCAL = "_local"
EVERYWHERE = "_everywhere"
# As whom a server of the cluster asks the others.
SHARDS_USER = "bionicpro_shards"
# How long a replica may take to fetch what was written to another one.
REPLICATION_SECONDS = 60.0
POLL_SECONDS = 0.5
MODULUS = 2**64

SESSION: Mapping[str, Any] = {
    # An INSERT returns when every shard has stored its rows, not when they are queued for it.
    "distributed_foreground_insert": 1,
    # And each on a majority of its replicas: what was acknowledged survives the loss of one.
    "insert_quorum": "auto",
    # One after another, so that a reader can be held to all of them …
    "insert_quorum_parallel": 0,
    # … as this platform is: what it decides by, the journal first of all, must not be a replica that lags behind.
    "select_sequential_consistency": 1,
    # A subquery is answered once, by the server that was asked, and not by each shard from its own copy.
    "prefer_global_in_and_join": 1,
    # A shard that is away is an error, never an answer without its rows.
    "skip_unavailable_shards": 0,
    # A sweep is over when it is over on all replicas; a statement ON CLUSTER, when all servers have answered.
    "lightweight_deletes_sync": 2,
    "distributed_ddl_output_mode": "throw",
}


def quoted(cluster: str) -> str:
    """The cluster's name as an SQL literal.

    Raises:
        ClickHouseError: It is no name that this platform writes into SQL.
    """
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}", cluster):
        raise ClickHouseError(f"{SETTING}: {cluster!r} can't be a cluster's name: letters, digits, _ . -")
    return f"'{cluster}'"


def check_layout(clickhouse: "ClickHouse", table: "HourlyTable") -> None:
    """Refuse to write where it wouldn't be safe.

    Raises:
        ClickHouseError: The tables are made for a cluster and the setting isn't set, or the other way round; or the
            cluster is none that rows can be published to.
    """
    spread = clickhouse.schema_of(*table.storage.split(".")).engine == "Distributed"
    if spread and clickhouse.cluster is None:
        raise ClickHouseError(f"{clickhouse.place}: {table.storage} is spread over a cluster; name it in {SETTING}.")
    if clickhouse.cluster and not spread:
        raise ClickHouseError(
            f"{clickhouse.place}: {SETTING} is set, and {table.storage} was made for a single server. Tables can't be "
            "turned into a cluster's; see docs/growing.md."
        )
    if clickhouse.cluster:
        check_cluster(clickhouse)


def check_cluster(clickhouse: "ClickHouse") -> tuple[int, int]:
    """How many replicas each shard of the cluster has, and how many servers there are in all.

    Raises:
        ClickHouseError: There is no such cluster, or rows can't be published to it safely.
    """
    cluster = clickhouse.cluster or ""
    _, shards = clickhouse.rows(sql("clickhouse/queries/cluster.sql"), {"cluster": cluster})
    where = f"{clickhouse.place}: the cluster {cluster}"
    if not shards:
        raise ClickHouseError(f"{where} isn't defined in remote_servers; check {SETTING}.")
    replicas = {count for _, count, _, _ in shards}
    if len(replicas) > 1:
        # A replica that lacks rows is found by counting those of all replicas together.
        raise ClickHouseError(f"{where} has shards with different numbers of replicas; give each the same.")
    if users := {user for *_, users in shards for user in users} - {SHARDS_USER}:
        raise ClickHouseError(
            f"{where} has servers that are asked as {', '.join(sorted(users))}: readers of reports would be refused "
            f"there. Give every replica the user {SHARDS_USER} and its password, and no secret; see docs/growing.md."
        )
    if not all(internal for _, _, internal, _ in shards):
        raise ClickHouseError(
            f"{where} has shards without internal_replication: rows would be written to every replica, and replicated "
            "beside that. Set it to true."
        )
    _, macros = clickhouse.rows(sql("clickhouse/queries/macros.sql"))
    missing = {"shard", "replica"} - {name for (name,) in macros}
    if missing:
        raise ClickHouseError(
            f"{clickhouse.place} has no macro {' and '.join(sorted(missing))}; every server needs both."
        )
    (count,) = replicas
    return int(count), int(count) * len(shards)


def wait_for_every_replica(
    clickhouse: "ClickHouse",
    table: "HourlyTable",
    publications: Mapping[datetime, int],
    written: Mapping[datetime, tuple[int, int]],
    *,
    seconds: float = REPLICATION_SECONDS,
) -> None:
    """Return once every replica of every shard has all rows of these publications.

    Whoever reads may get any of them: a commit before that would show hours with rows missing.

    Args:
        clickhouse: Where.
        table: The table.
        publications: The publication of each hour.
        written: Rows and checksum of each of the hours.
        seconds: How long to wait.

    Raises:
        PublicationError: A replica still lacks rows after so many seconds. Nothing was made visible.
        ClickHouseError: A replica doesn't answer.
    """
    replicas, _ = check_cluster(clickhouse)
    expected = {hour: found for hour, found in written.items() if found[0]}
    deadline = time.monotonic() + seconds
    while True:
        found = table.checksums_everywhere(clickhouse, publications)
        # Replicas of a shard hold the same rows: together they have everything as often as each shard has replicas.
        lacking = [
            hour
            for hour, (count, checksum) in expected.items()
            if found.get(hour) != (count * replicas, checksum * replicas % MODULUS)
        ]
        if not lacking:
            return
        if time.monotonic() > deadline:
            raise PublicationError(
                f"{clickhouse.place}: after {seconds:.0f} seconds, not every replica has the rows of {table.storage} "
                f"for {describe(lacking)}. Nothing was made visible. See system.replication_queue; a replica "
                f"that stays away must leave the cluster {clickhouse.cluster} in remote_servers."
            )
        time.sleep(POLL_SECONDS)


def check_journals_agree(clickhouse: "ClickHouse", grace: timedelta) -> None:
    """Refuse to delete what was replaced this long ago while a server may not know that it was.

    Raises:
        PublicationError: The journal of a server lacks commits that are older than `grace`.
        ClickHouseError: A server doesn't answer.
    """
    _, servers = check_cluster(clickhouse)
    before = int((datetime.now(UTC) - grace).timestamp())
    _, rows = clickhouse.rows(sql("clickhouse/queries/journal_everywhere.sql"), {"before": before})
    here, everywhere = rows[0]
    if everywhere != here * servers:
        raise PublicationError(
            f"{clickhouse.place}: the journal lags behind on a server of the cluster {clickhouse.cluster}: {servers} "
            f"servers have {everywhere} of {here * servers} commits older than {grace}. Nothing was swept."
        )
