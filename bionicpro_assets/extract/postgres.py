"""Reading a source database: one snapshot per read, typed frames out, errors in words."""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import polars as pl

from bionicpro_assets.errors import NotGrantedError, SourceError
from bionicpro_assets.extract import connect
from bionicpro_assets.extract.connect import (
    TAKEN,
    address_of,
    open_reader,
    open_writer,
    parts_of,
    sqlstate_of_refusal,
)
from bionicpro_assets.sqlfiles import sql
from bionicpro_assets.waiting import answered

if TYPE_CHECKING:
    from psycopg2.extensions import connection as PgConnection

# SQLSTATE classes and codes after which the same attempt may succeed: connection lost, server starting or
# stopping, conflict with recovery on a replica, lock or statement timeout, resources short for now.
RETRYABLE_SQLSTATES = ("08", "40", "53", "57", "55P03", "58")
# Wrong password or no entry for the client; no such database.
REFUSALS = ("28", "3D000")
# A relation, a schema or a function that isn't there.
NOT_THERE = ("42P01", "3F000", "42883")
# Text that can't be handed over as UTF-8: in a database without an encoding, SQL_ASCII, it may be anything.
NO_TEXT = ("22021", "22P05")
TOO_MANY = "53300"
SECONDS_FOR_A_FREE_CONNECTION = 2.0


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
        """Name and addresses without the secret, for messages and logs."""
        parts = parts_of(self.url)
        return f"{self.name} ({address_of(parts)}/{parts.get('dbname', '')})"

    @contextmanager
    def snapshot(self, of: "Snapshot | None" = None) -> Iterator["Snapshot"]:
        """A read-only REPEATABLE READ transaction: every read in it sees the database at one instant.

        Args:
            of: A snapshot that is open: this one, on a connection of its own, sees just what that one sees.

        Raises:
            SourceError: The database can't be reached, refuses, or fails while it is read.
        """
        with ExitStack() as opened:
            # A further connection is a help that a read can do without: no waiting for that one.
            patience = 0 if of else SECONDS_FOR_A_FREE_CONNECTION
            try:
                read_at, encoding, cursor = self._begun(opened, of, patience)
                if not isinstance(encoding, str):
                    # The driver looks types up by names, before anything can be set, and doesn't know them in quotes.
                    # Only then: a pooler may not take options.
                    opened.close()
                    read_at, encoding, cursor = self._begun(opened, of, patience, unquoted=True)
                yield Snapshot(self, cursor, read_at, encoding)
            except SilentError:
                # The driver still waits on this connection, in a thread of its own: closing it now could crash.
                connect.leave_alone(opened.pop_all())
                raise

    def _begun(
        self, opened: ExitStack, of: "Snapshot | None", patience: float, *, unquoted: bool = False
    ) -> tuple[Any, Any, Any]:
        """What `_begin` gives on a new connection, and its cursor."""
        # Imported where it is used, here and below: it brings all of pyarrow, and the daemon loads this module too.
        from adbc_driver_postgresql import dbapi

        connection = opened.enter_context(closing(self._connect(patience, unquoted=unquoted)))
        cursor = opened.enter_context(closing(connection.cursor()))
        try:
            return *answered(connect.ANSWER_SECONDS, _begin, cursor, of), cursor
        except dbapi.Error as error:
            raise self.explained(error) from error
        except TimeoutError:
            raise self.silent(connect.ANSWER_SECONDS) from None

    def _connect(self, patience: float, *, unquoted: bool) -> Any:
        """A connection. One that is refused because too many are open is asked for again, for `patience` seconds.

        The driver looks types up in a session of its own before it opens the one it gives out, and the server takes a
        moment to end a session: with a limit close to what is used, either may be refused because of one that is going.
        """
        import tenacity
        from adbc_driver_postgresql import dbapi

        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception(lambda error: isinstance(error, RefusedForNowError)),
            wait=tenacity.wait_fixed(0.1),
            stop=tenacity.stop_after_delay(patience),
            reraise=True,
        )

        def attempt() -> Any:
            try:
                return open_reader(self.url, unquoted=unquoted)
            except dbapi.Error as error:
                raise self.explained(error, connecting=True) from error
            except TimeoutError:
                raise self.silent(connect.ANSWER_SECONDS) from None

        return attempts(attempt)

    @contextmanager
    def writer(self, *, autocommit: bool = False) -> Iterator["PgConnection"]:
        """A connection of psycopg2, for `connect.transaction`; its errors are explained.

        Raises:
            SourceError: The database can't be reached, refuses, or fails.
        """
        import psycopg2

        try:
            # A refusal in a language that isn't in UTF-8 is no text for the driver.
            opened = open_writer(self.url)
        except (psycopg2.Error, UnicodeDecodeError) as error:
            raise self.explained(error, connecting=True) from error
        except TimeoutError:
            raise self.silent(connect.ANSWER_SECONDS) from None
        with closing(opened) as connection:
            connection.autocommit = autocommit
            try:
                yield connection
            except psycopg2.Error as error:
                raise self.explained(error) from error

    def silent(self, seconds: float) -> "SilentError":
        """That the server took the connection, or a question, and said nothing for so long."""
        return SilentError(
            f"{self.place} hasn't answered for {seconds:.0f} s. See if the server, or what stands before it, is stuck.",
            retryable=True,
        )

    def explained(self, error: Exception, *, connecting: bool = False) -> SourceError:
        """The driver's error as one sentence that names the database and what to do.

        Args:
            error: Of ADBC or psycopg2. Its code decides; its words may be in any language.
            connecting: Whether it kept a connection from being opened. Then the server is asked again for its code.
        """
        # ADBC calls it sqlstate, psycopg2 pgcode.
        code = str(getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or "")
        if connecting:
            code = sqlstate_of_refusal(self.url)
        text = self._without_secrets(_words(error))
        where = self.place
        if code == TOO_MANY:
            what_to_do = "Raise the limit, or end sessions that aren't needed."
            return RefusedForNowError(f"{where}: {text}. {what_to_do}", retryable=True)
        if code == TAKEN:
            return RefusedForNowError(f"{where}: {text}.", retryable=True)
        if code in NOT_THERE:
            return SourceError(f"{where}: {text}. Has this database the schema of the data contract? {self._hint}")
        if code in NO_TEXT:
            what_to_do = "Correct the text where it comes from, or move the data into a database in UTF8."
            return SourceError(f"{where} has text that can't be read as UTF-8: {text}. {what_to_do}")
        if code == "42501":
            return NotGrantedError(f"{where}: {text}. Grant it to the user of {self.setting}.")
        if code.startswith(RETRYABLE_SQLSTATES):
            return SourceError(f"{where}: {text}.", retryable=True)
        if code.startswith(REFUSALS):
            return SourceError(f"{where} refuses the connection: {text}. {self._hint}")
        if code:
            return SourceError(f"{where}: {text}.")
        return SourceError(f"{where} can't be reached: {text}. {self._hint}", retryable=True)

    @property
    def _hint(self) -> str:
        return f"Check {self.setting}."

    def _without_secrets(self, text: str) -> str:
        for keyword in ("password", "sslpassword"):
            if secret := parts_of(self.url).get(keyword):
                text = text.replace(secret, "…")
        return text


class SilentError(SourceError):
    """A source database took the connection, or a question, and doesn't answer."""


class RefusedForNowError(SourceError):
    """A source database has no connection to give, or hadn't a moment ago."""


def _begin(cursor: Any, of: "Snapshot | None") -> tuple[Any, Any]:
    """Begin the snapshot; the instant that it reads, and the database's encoding, as the driver gives them."""
    cursor.execute(sql("postgres/read_transaction.sql"))
    if of is not None:
        # A name that the server made, of digits and dashes; the statement takes no parameters.
        cursor.execute(f"SET TRANSACTION SNAPSHOT '{of.exported}'")
    cursor.execute(sql("postgres/session.sql"))
    read_at, encoding, *_ = cursor.fetchone()
    cursor.execute(sql("postgres/limits.sql"))
    return of.read_at if of else read_at, encoding


@dataclass(frozen=True)
class Snapshot:
    """A source database at one instant.

    Attributes:
        read_at: That instant, by the database's own clock.
        encoding: The encoding in which the database keeps text, by PostgreSQL's name.
    """

    source: PostgresSource
    cursor: Any = field(repr=False)
    read_at: datetime
    encoding: str

    def read(self, query: str, parameters: Sequence[object] | None = None) -> pl.DataFrame:
        """The rows of a query. Column types are those of the query's casts."""
        from adbc_driver_postgresql import dbapi

        def fetched() -> Any:
            self.cursor.execute(query, parameters)
            return self.cursor.fetch_arrow_table()

        try:
            table = answered(connect.READ_SECONDS, fetched)
        except dbapi.Error as error:
            raise self.source.explained(error) from error
        except TimeoutError:
            raise self.source.silent(connect.READ_SECONDS) from None
        return pl.DataFrame(pl.from_arrow(table))

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


def _words(error: Exception) -> str:
    """What the server said, or the driver: one line, without the driver's wrapping, hints and the query's text."""
    for key, value in getattr(error, "details", None) or ():
        if key == "PG_DIAG_MESSAGE_PRIMARY":
            return " ".join(value.decode(errors="replace").split()).rstrip(".")
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    if primary is None and isinstance(error, UnicodeDecodeError):
        primary = error.object.decode(errors="replace")
    message = re.sub(r"^[A-Z_]+: ", "", str(primary or error).strip())
    message = re.split(r"\nLINE |\n\nQuery was|\. SQLSTATE|\n\t", message)[0]
    # libpq puts two spaces after the severity, in any language.
    found = re.search(r":  (.*)", message, re.DOTALL)
    text = found.group(1) if found else re.sub(r"^\[libpq\] (Failed to connect: )?", "", message)
    return " ".join(text.split()).rstrip(".")
