"""The same SQL for a cluster: every statement of `sql/clickhouse/`, rendered for all servers of one cluster."""

import re

from bionicpro_assets.errors import ClickHouseError
from bionicpro_assets.load.cluster import EVERYWHERE, LOCAL, quoted

# What each row is sent to a shard by. Nothing relies on rows lying together: publications, the audit and the sweep go
# over all shards. A person's report is read from one shard; the others are spread by what never changes its owner.
SHARDED_BY = {
    "storage.user_prosthesis_stats": "user_id",
    "storage.crm_customer_prosthesis": "user_id",
    "storage.hourly_telemetry": "chip_id",
    "storage.rejected_telemetry": "chip_id",
}
JOURNAL = "storage.publications"
NAME = r"(?P<name>[\w.]+)"
# Where ON CLUSTER stands: after the name, or after the verb.
AFTER_NAME = re.compile(
    r"(?P<head>(?:CREATE (?:DATABASE|TABLE|ROLE|USER|SETTINGS PROFILE) IF NOT EXISTS|CREATE OR REPLACE VIEW"
    r"|CREATE ROW POLICY OR REPLACE"
    rf"|ALTER (?:TABLE|ROLE|USER|SETTINGS PROFILE)) {NAME})(?P<rest>.*)",
    re.DOTALL,
)
AFTER_VERB = re.compile(r"(?P<head>GRANT|REVOKE)(?P<rest> .*)", re.DOTALL)
COMMENTS = re.compile(r"\A\s*(?:--[^\n]*\n\s*)+")
ENGINE = re.compile(r"\bENGINE = MergeTree\b")
SUBQUERY = re.compile(r"\bIN (?=\(\s*(?:SELECT|WITH)\b)")


def for_cluster(statement: str, cluster: str | None) -> list[str]:
    """The statements that do on a cluster what this one does on a server; itself, where there is no cluster.

    Tables in `SHARDED_BY` become a replicated table `…_local` on every shard and, under their own name, a Distributed
    one over them. All others, the journal first of all, are replicated to every server, whatever its shard.

    Raises:
        ClickHouseError: The statement is of a kind that isn't known here; it would be applied on one server only.
    """
    if cluster is None:
        return [statement]
    code = COMMENTS.sub("", statement)
    found = AFTER_NAME.fullmatch(code) or AFTER_VERB.fullmatch(code)
    if found is None:
        raise ClickHouseError(f"This statement can't be rendered for a cluster: {' '.join(code.split())[:80]} …")
    head, rest = found["head"], found["rest"]
    name = found.groupdict().get("name", "")
    on_cluster = f" ON CLUSTER {quoted(cluster)}"
    if head.startswith("CREATE TABLE"):
        return _tables(name, rest, cluster)
    if head.startswith("CREATE OR REPLACE VIEW"):
        return [head + on_cluster + _view(rest)]
    if head.startswith("ALTER TABLE") and name in SHARDED_BY:
        # The rows' tables first: the name that is written to must not know a column that they lack.
        return [f"ALTER TABLE {table}{on_cluster}{rest}" for table in (name + LOCAL, name)]
    return [head + on_cluster + rest]


def everywhere(cluster: str) -> list[str]:
    """Views of what every replica of every server has: of each table of rows, and of the journal.

    Views, so that nobody but their definer needs the right to ask other servers.
    """
    tables = {name: f"{name}{LOCAL}" for name in SHARDED_BY} | {JOURNAL: JOURNAL}
    return [
        f"CREATE OR REPLACE VIEW {name}{EVERYWHERE} ON CLUSTER {quoted(cluster)} AS "  # noqa: S608 - own names
        f"SELECT * FROM clusterAllReplicas({quoted(cluster)}, {table})"
        for name, table in tables.items()
    ]


def _tables(name: str, rest: str, cluster: str) -> list[str]:
    database, _, table = name.partition(".")
    on_cluster = f" ON CLUSTER {quoted(cluster)}"
    if not ENGINE.search(rest):
        raise ClickHouseError(f"{name} can't be rendered for a cluster: its engine isn't a plain MergeTree.")
    key = SHARDED_BY.get(name)
    shard, replica = ("{shard}/", "{replica}") if key else ("", "{shard}-{replica}")
    # A path of its own for every shard, or one for all servers; spelt out, so that a server that joins later finds it.
    path = f"/clickhouse/tables/{cluster}/{shard}{database}/{table}"
    rest = ENGINE.sub(f"ENGINE = ReplicatedMergeTree('{path}', '{replica}')", rest)
    local = f"{name}{LOCAL}" if key else name
    statements = [f"CREATE TABLE IF NOT EXISTS {local}{on_cluster}{rest}"]
    if key:
        engine = f"Distributed({quoted(cluster)}, '{database}', '{table}{LOCAL}', cityHash64({key}))"
        statements.append(f"CREATE TABLE IF NOT EXISTS {name}{on_cluster} AS {local} ENGINE = {engine}")
    return statements


def _view(rest: str) -> str:
    """The view's query: the journal is read once, by the server that was asked, before any shard is.

    Else each shard would go by its own copy of the journal, and a reader could see one hour before and another after
    a commit. That also makes the detour over the rows' view needless, through which no condition reaches the shards.
    """
    for name in SHARDED_BY:
        rest = re.sub(rf"(?<=FROM ){name}_rows\b", name, rest)
    return SUBQUERY.sub("GLOBAL IN ", rest)
