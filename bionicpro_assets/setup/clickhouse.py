"""ClickHouse's databases, tables and views, and the record of what was applied."""

from bionicpro_assets.errors import ClickHouseError
from bionicpro_assets.load.clickhouse import INIT_HINT, ClickHouse
from bionicpro_assets.load.cluster import check_cluster
from bionicpro_assets.setup.changes import VERSION, Applied, Change, changes_of, news, outstanding, refuse_breaking
from bionicpro_assets.setup.cluster import everywhere, for_cluster
from bionicpro_assets.sqlfiles import sql

FOLDER = "clickhouse/schema"
RECORD = "storage.schema_changes"


def apply_clickhouse_schema(clickhouse: ClickHouse) -> list[str]:
    """Apply what is outstanding of `sql/clickhouse/schema/`, one statement a file, in order.

    Safe to repeat, after a failure half way too: what was applied is recorded file by file. Returns the files that
    were new, or had changed.

    Raises:
        ClickHouseError: A table that isn't ours stands under the name of one of the views; it is left alone.
        PlatformError: By the rules of `setup.changes`.
    """
    _, taken = clickhouse.rows(sql("clickhouse/queries/existing_tables.sql"))
    if taken:
        name, engine = taken[0]
        raise ClickHouseError(
            f"{clickhouse.place}: {name} is already there, as a table ({engine}), and is left alone. "
            f"To go on, rename it, like: RENAME TABLE {name} TO {name}_before"
        )
    if clickhouse.cluster:
        check_cluster(clickhouse)
    existing = {name for (name,) in clickhouse.rows(sql("clickhouse/queries/own_tables.sql"))[1]}
    applied = _applied(clickhouse) if RECORD in existing else {}
    todo = outstanding(changes_of(FOLDER), applied, exists=existing.__contains__, place=clickhouse.place)
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
