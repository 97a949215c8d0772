"""Reading PostgreSQL: a read-only snapshot of one database, as Arrow."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import polars as pl

from bionicpro_assets.errors import NotGrantedError, SourceError
from bionicpro_assets.sqlfiles import sql

# SQLSTATE classes and codes after which the same attempt may succeed: connection lost, server starting or
# stopping, conflict with recovery on a replica, lock or statement timeout, resources short for now.
RETRYABLE_SQLSTATES = ("08", "40", "53", "57", "55P03", "58")
REFUSALS = re.compile(
    r"authentication failed|no pg_hba.conf entry|does not exist|not permitted to log in|no password supplied"
)
# What a server says that has no connection to give: to anybody, to a role, to a database, or to ordinary users.
TOO_MANY = re.compile(r"too many (connections|clients)|remaining connection slots are reserved")
SECONDS_FOR_A_FREE_CONNECTION = 2.0
# What a connection has unless its URL says otherwise: bounds for a server that takes it and stays silent, and for a
# network that is gone.
DEFAULTS = {
    "application_name": "bionicpro_assets",
    "connect_timeout": "30",
    "keepalives_idle": "60",
    "keepalives_interval": "10",
    "keepalives_count": "6",
}
# In the first message to the server: it goes before what a role or a database has set, and holds for errors too.
ALWAYS = {"client_encoding": "UTF8"}
UNQUOTED = "-c quote_all_identifiers=off"
# Bytes, or characters, that UTF-8 doesn't have: a database in SQL_ASCII takes any.
NO_TEXT = ("22021", "22P05")


@dataclass(frozen=True, slots=True)
class PostgresSource:
    """One source database.

    Attributes:
        name: What people call it: `crm_db` or `telemetry_db`.
        url: `postgresql://…`, with its secret; never shown.
        setting: The setting the URL comes from, for error messages.
    """

    name: str
    url: str = field(repr=False)
    setting: str

    @property
    def place(self) -> str:
        """Name and address without the secret, for messages and logs."""
        parts = self._parts()
        hosts, ports = (parts.get(name, "").split(",") for name in ("host", "port"))
        if len(ports) != len(hosts):
            ports = ports[:1] * len(hosts)
        at = ",".join(
            f"{host}:{port}" if port else host
            for host, port in zip(hosts, ports, strict=True)
            if host and not host.startswith("/")
        )
        return f"{self.name} ({at or 'local socket'}/{parts.get('dbname', '')})"

    @property
    def conninfo(self) -> str:
        """How libpq connects, with its secret; never shown. For `psycopg2` and ADBC alike."""
        from psycopg2.extensions import make_dsn

        return str(make_dsn(**{**DEFAULTS, **self._parts(), **ALWAYS}))

    def _parts(self) -> dict[str, str]:
        # libpq's own reading of the URL: no other knows several hosts, and what a password may hold.
        from psycopg2.extensions import parse_dsn

        return dict(parse_dsn(self.url))

    @contextmanager
    def snapshot(self, of: "Snapshot | None" = None) -> Iterator["Snapshot"]:
        """A read-only REPEATABLE READ transaction: every read in it sees the database at one instant.

        Args:
            of: A snapshot that is open: this one, on a connection of its own, sees just what that one sees.

        Raises:
            SourceError: The database can't be reached, refuses, or fails while it is read.
        """
        # A further connection is a help that a read can do without: no waiting for that one.
        patience = 0 if of else SECONDS_FOR_A_FREE_CONNECTION
        with ExitStack() as opened:
            cursor, read_at = self._begin(opened, of, self.conninfo, patience)
            if not isinstance(read_at, datetime):
                # The driver looks types up by names, before anything can be set, and doesn't know them in quotes. Only
                # then: a pooler may not take options.
                opened.close()
                cursor, read_at = self._begin(opened, of, self._with_options(UNQUOTED), patience)
            yield Snapshot(self, cursor, of.read_at if of else read_at)

    def _begin(self, opened: ExitStack, of: "Snapshot | None", conninfo: str, patience: float) -> tuple[Any, Any]:
        """The cursor of a new transaction, and the instant that it reads, as the driver gives it."""
        # Imported where it is used, here and below: it brings all of pyarrow, and the daemon loads this module too.
        from adbc_driver_postgresql import dbapi

        connection = opened.enter_context(closing(self._connect(conninfo, patience)))
        cursor = opened.enter_context(closing(connection.cursor()))
        try:
            cursor.execute(sql("postgres/read_transaction.sql"))
            if of:
                # A name that the server made, of digits and dashes; the statement takes no parameters.
                cursor.execute(f"SET TRANSACTION SNAPSHOT '{of.exported}'")
            cursor.execute(sql("postgres/session.sql"))
            read_at = cursor.fetchone()[0]
            cursor.execute(sql("postgres/limits.sql"))
        except dbapi.Error as error:
            raise self.explained(error) from error
        return cursor, read_at

    def _connect(self, conninfo: str, patience: float) -> Any:
        """A connection. One that is refused because too many are open is asked for again, for `patience` seconds.

        The driver looks types up in a session of its own before it opens the one it gives out, and the server takes a
        moment to end a session: with a limit close to what is used, either may be refused because of one that is going.
        """
        import tenacity
        from adbc_driver_postgresql import dbapi

        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception(lambda error: bool(TOO_MANY.search(str(error)))),
            wait=tenacity.wait_fixed(0.1),
            stop=tenacity.stop_after_delay(patience),
            reraise=True,
        )
        try:
            return attempts(dbapi.connect, conninfo)
        except dbapi.Error as error:
            raise self.explained(error) from error

    def _with_options(self, options: str) -> str:
        from psycopg2.extensions import make_dsn

        given = self._parts().get("options") or os.environ.get("PGOPTIONS", "")
        return str(make_dsn(self.conninfo, options=f"{given} {options}".strip()))

    def explained(self, error: Exception) -> SourceError:
        """The driver's error as one sentence that names the database and what to do."""
        # ADBC calls it sqlstate, psycopg2 pgcode.
        sqlstate = str(getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or "")
        text = _first_line(str(error))
        if TOO_MANY.search(text):
            what_to_do = "Raise the limit, or end sessions that aren't needed."
            return SourceError(f"{self.place}: {text}. {what_to_do}", retryable=True)
        if sqlstate.startswith(("42P01", "3F000", "42883")):
            return SourceError(f"{self.place}: {text}. Has this database the schema of the data contract? {self._hint}")
        if sqlstate in NO_TEXT:
            what_to_do = "Correct the text where it comes from, or move the data into a database in UTF8."
            return SourceError(f"{self.place} has text that can't be read as UTF-8: {text}. {what_to_do}")
        if sqlstate == "42501":
            return NotGrantedError(f"{self.place}: {text}. Grant it to the user of {self.setting}.")
        if sqlstate.startswith(RETRYABLE_SQLSTATES):
            return SourceError(f"{self.place}: {text}.", retryable=True)
        if sqlstate and not sqlstate.startswith("28"):
            return SourceError(f"{self.place}: {text}.")
        if sqlstate or REFUSALS.search(text):
            return SourceError(f"{self.place} refuses the connection: {text}. {self._hint}")
        return SourceError(f"{self.place} can't be reached: {text}. {self._hint}", retryable=True)

    @property
    def _hint(self) -> str:
        return f"Check {self.setting}."


@dataclass(frozen=True)
class Snapshot:
    """A source database at one instant.

    Attributes:
        read_at: That instant, by the database's own clock.
    """

    source: PostgresSource
    cursor: Any = field(repr=False)
    read_at: datetime

    def read(self, query: str, parameters: Sequence[object] | None = None) -> pl.DataFrame:
        """The rows of a query. Column types are those of the query's casts.

        Raises:
            SourceError: The database fails, or has text that isn't UTF-8.
        """
        from adbc_driver_postgresql import dbapi

        try:
            self.cursor.execute(query, parameters)
            return pl.DataFrame(pl.from_arrow(self.cursor.fetch_arrow_table()))
        except dbapi.Error as error:
            raise self.source.explained(error) from error

    @cached_property
    def exported(self) -> str:
        """The server's name of this snapshot; empty if the user may not give it one."""
        ((may,),) = self.read(sql("postgres/may_export_snapshot.sql")).iter_rows()
        return str(self.read(sql("postgres/export_snapshot.sql")).item()) if may else ""

    @contextmanager
    def readers(self, most: int) -> Iterator[list["Snapshot"]]:
        """This snapshot, and the same on up to `most - 1` more connections, to be read at the same time.

        There are fewer where the server has no connection to spare, or where the address leads to several servers, as
        with a pool of replicas: what could be read by several is then read by this one.
        """
        with ExitStack() as opened:
            found = [self]
            with suppress(SourceError):
                while len(found) < most and self.exported:
                    found.append(opened.enter_context(self.source.snapshot(self)))
            yield found

    def column_types(self, relation: str) -> dict[str, str]:
        """Name and PostgreSQL type of the columns of a table or view; empty if it isn't there."""
        columns = self.read(sql("postgres/relation_columns.sql").replace(":relation", relation))
        return dict(columns.iter_rows())


def _first_line(message: str) -> str:
    """What the server said, without the driver's wrapping, hints and the query's text."""
    message = re.sub(r"^[A-Z_]+: ", "", message.strip())
    message = re.split(r"\nLINE |\n\nQuery was|\. SQLSTATE|\n\tIs the server", message)[0]
    found = re.search(r"(?:FATAL|ERROR):\s*(.*)", message, re.DOTALL)
    text = found.group(1) if found else re.sub(r"^\[libpq\] (Failed to connect: )?", "", message)
    return " ".join(text.split()).rstrip(".")
