"""ClickHouse's databases, tables and views, and the record of what was applied."""

from collections.abc import Mapping

from bionicpro_assets.errors import ClickHouseError
from bionicpro_assets.load.clickhouse import INIT_HINT, ClickHouse
from bionicpro_assets.load.cluster import check_cluster
from bionicpro_assets.setup.changes import VERSION, Applied, Change, changes_of, news, outstanding, refuse_breaking
from bionicpro_assets.setup.cluster import everywhere, for_cluster
from bionicpro_assets.sqlfiles import sql

FOLDER = "clickhouse/schema"
RECORD = "storage.schema_changes"
EXISTING = "clickhouse/queries/own_tables.sql"
KINDS = {"View": "view", "MaterializedView": "materialized view", "Dictionary": "dictionary"}


def apply_clickhouse_schema(clickhouse: ClickHouse) -> list[str]:
    """Apply what is outstanding of `sql/clickhouse/schema/`, one statement a file, in order.

    Safe to repeat, after a failure half way too: what was applied is recorded file by file. Returns the files that
    were new, or had changed.

    Raises:
        ClickHouseError: Something that isn't ours stands under one of the names; all of it is left alone.
        PlatformError: By the rules of `setup.changes`.
    """
    changes = changes_of(FOLDER)
    there = {name: (engine, comment) for name, engine, comment in clickhouse.rows(sql(EXISTING))[1]}
    applied = _applied(clickhouse) if RECORD in there else {}
    foreign = [c.target for c in changes if c.target in there and not _is_ours(c, there, applied)]
    _leave_alone(clickhouse, {name: there[name] for name in foreign if name})
    if clickhouse.cluster:
        check_cluster(clickhouse)
    existing = set(there)
    todo = outstanding(changes, applied, exists=existing.__contains__, place=clickhouse.place)
    unrecorded: list[Change] = []
    for change in todo:
        for statement in for_cluster(change.text, clickhouse.cluster):
            clickhouse.command(statement)
        unrecorded += news([change], applied)
        if unrecorded and (RECORD in existing or change.target == RECORD):
            existing.add(RECORD)
            _record(clickhouse, unrecorded)
            unrecorded.clear()
    for statement in everywhere(clickhouse.cluster) if clickhouse.cluster else ():
        clickhouse.command(statement)
    return [change.file for change in news(todo, applied)]


def _is_ours(change: Change, there: Mapping[str, tuple[str, str]], applied: Mapping[str, Applied]) -> bool:
    """Whether what stands under the name of a file's table or view was made by that file."""
    engine, comment = there[change.target or ""]
    # A crash may have come between it and its record; then it has at least our comment.
    return change.makes_view == (engine == "View") and (change.file in applied or comment == change.comment != "")


def _leave_alone(clickhouse: ClickHouse, taken: Mapping[str, tuple[str, str]]) -> None:
    if not taken:
        return
    what = ", ".join(f"{name} ({KINDS.get(engine, f'table, {engine}')})" for name, (engine, _) in sorted(taken.items()))
    name = min(taken)
    raise ClickHouseError(
        f"{clickhouse.place}: under names that this platform needs there is something that it didn't make: {what}. All "
        f"of it is left alone, and nothing was changed. Rename it, like: RENAME TABLE {name} TO {name}_before. What "
        "reads it by its old name, as a materialized view or a dictionary may, must be made anew on the new one first."
    )


def require_clickhouse_schema(clickhouse: ClickHouse) -> None:
    """Stop before work on tables that are older than this version, or too new for it.

    Raises:
        ClickHouseError: The schema isn't there, or something of it is outstanding.
        PlatformError: A newer version has changed it in a way that this one can't work with.
    """
    changes, applied = changes_of(FOLDER), _applied(clickhouse)
    refuse_breaking(changes, applied, clickhouse.place)
    missing = [change.file for change in news(changes, applied)]
    if missing:
        raise ClickHouseError(
            f"{clickhouse.place}: its tables and views are not those of version {VERSION}; outstanding: "
            f"{', '.join(missing)}. {INIT_HINT}"
        )


def _applied(clickhouse: ClickHouse) -> dict[str, Applied]:
    return {file: Applied(*facts) for file, *facts in clickhouse.rows(sql("clickhouse/queries/schema_changes.sql"))[1]}


def _record(clickhouse: ClickHouse, changes: list[Change]) -> None:
    rows = ", ".join(f"('{c.file}', '{c.checksum}', {str(c.breaking).lower()}, '{VERSION}')" for c in changes)
    clickhouse.command(f"INSERT INTO {RECORD} (file, checksum, breaking, version) VALUES {rows}")  # noqa: S608 - own names
