"""Schemas of the source databases, for those who don't have them yet: never over somebody's own."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

from psycopg2.extensions import cursor as PgCursor

from bionicpro_assets.errors import SourceError
from bionicpro_assets.extract import connect
from bionicpro_assets.extract.postgres import PostgresSource
from bionicpro_assets.setup.changes import VERSION, Applied, changes_of, news, outstanding
from bionicpro_assets.sqlfiles import scripts, sql

# The comment that `sql/*/schema/` puts on the schema it makes; what doesn't carry it belongs to somebody else.
MARKER = "bionicpro_assets: schema "
# A little longer than the server allows for one statement.
SETUP_SECONDS = 3660.0


def apply_postgres_schema(source: PostgresSource, schema: Literal["crm", "telemetry"]) -> list[str]:
    """Apply what is outstanding of `sql/<schema>/schema/` in one transaction, and record it.

    Returns the files that were new, or had changed.

    Raises:
        SourceError: The database can't be reached, or has a schema of that name that this platform didn't
            make: replacing its views would change what others read.
        PlatformError: By the rules of `setup.changes`.
    """
    with transaction(source) as cursor:
        cursor.execute(sql("postgres/schema_comment.sql"), (schema,))
        found = cursor.fetchone()
        if found and not str(found[0] or "").startswith(MARKER):
            raise SourceError(
                f"{source.place} already has a schema {schema} that bionicpro didn't make; it is left alone. "
                "To read from it, nothing needs to be set up there: bionicpro init clickhouse"
            )
        # Two at the same time would each find everything outstanding; the lock goes with the transaction.
        cursor.execute(sql("postgres/schema_lock.sql"), (MARKER + schema,))
        applied = {}
        if _exists(cursor, f"{schema}.schema_changes"):
            cursor.execute(sql("postgres/schema_changes.sql").format(schema=schema))
            applied = {file: Applied(*facts) for file, *facts in cursor.fetchall()}
        changes = changes_of(f"{schema}/schema")
        todo = outstanding(changes, applied, exists=partial(_exists, cursor), place=source.place)
        for change in todo:
            cursor.execute(change.text)
        cursor.executemany(
            sql("postgres/record_schema_change.sql").format(schema=schema),
            [(c.file, c.checksum, c.breaking, VERSION) for c in news(todo, applied)],
        )
        return [change.file for change in news(todo, applied)]


def _exists(cursor: PgCursor, name: str) -> bool:
    cursor.execute(sql("postgres/exists.sql"), (name, name))
    row = cursor.fetchone()
    return bool(row and row[0])


def run_scripts(cursor: PgCursor, folder: str) -> list[str]:
    """Run the files of a folder under `sql/`, in order."""
    applied = []
    for name, script in scripts(folder):
        cursor.execute(script)
        applied.append(f"{folder}/{name}")
    return applied


def call(source: PostgresSource, statement: str, parameters: Sequence[Any] = ()) -> Any:
    """The single value that one statement returns."""
    with transaction(source) as cursor:
        cursor.execute(statement, tuple(parameters))
        row = cursor.fetchone()
        return row[0] if row else None


@contextmanager
def transaction(source: PostgresSource) -> Iterator[PgCursor]:
    """A transaction that writes; committed at the end, rolled back on any error.

    Raises:
        SourceError: The database can't be reached, refuses, or fails.
    """
    with (
        source.writer() as connection,
        connect.transaction(connection, limits="setup_limits", seconds=SETUP_SECONDS) as (cursor, _),
    ):
        yield cursor
