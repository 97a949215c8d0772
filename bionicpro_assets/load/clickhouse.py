"""ClickHouse by URL: a server over HTTP or the engine in this process, behind one client class."""

import logging
import ssl
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

import polars as pl

from bionicpro_assets.errors import ClickHouseError
from bionicpro_assets.load.cluster import SESSION
from bionicpro_assets.load.session import SETTING, pin
from bionicpro_assets.locks import holder, is_locked
from bionicpro_assets.sqlfiles import sql
from bionicpro_assets.waiting import answered

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

OWN_DATABASES = ("storage", "staging", "reports", "quarantine")
# For a server to let in and to answer the first few questions.
CONNECT_SECONDS = 30.0
# How long to wait for another process of this platform to let go of the embedded engine.
ENGINE_WAIT_SECONDS = 60.0
ENGINE_POLL_SECONDS = 0.1
# The embedded engine's rights for whoever only reads.
READER = Path(__file__).with_name("reader.xml")

INIT_HINT = "Make its databases and tables with: bionicpro init clickhouse"
# ClickHouse error codes, and what a person should do. Everything not named here is shown as it is.
ADVICE = {
    47: INIT_HINT,  # UNKNOWN_IDENTIFIER: a column that came with a newer version
    60: INIT_HINT,  # UNKNOWN_TABLE
    81: INIT_HINT,  # UNKNOWN_DATABASE
    115: "This version of ClickHouse is too old for it.",  # UNKNOWN_SETTING
    164: f"The user of {SETTING} may only read: set readonly to 0 in its profile.",  # READONLY
    192: f"Check the user and password in {SETTING}.",  # UNKNOWN_USER
    241: "It is short of memory: load again later or fewer hours at a time, or give it more.",  # MEMORY_LIMIT_EXCEEDED
    243: "The disk of ClickHouse is full: make room, then load again.",  # NOT_ENOUGH_SPACE
    252: "It merges slower than it is written to: wait, then load again.",  # TOO_MANY_PARTS
    452: f"Take this constraint out of the profile of the user in {SETTING}.",  # SETTING_CONSTRAINT_VIOLATION
    497: f"Grant it to the user of {SETTING}.",  # ACCESS_DENIED
    516: f"Check the user and password in {SETTING}.",  # AUTHENTICATION_FAILED
    # QUERY_CACHE_USED_WITH_NONDETERMINISTIC_FUNCTIONS, and with a system table: the driver's first questions are both.
    704: f"Take use_query_cache out of the profile of the user in {SETTING}.",
    719: f"Take use_query_cache out of the profile of the user in {SETTING}.",
}
# TIMEOUT_EXCEEDED, TOO_MANY_SIMULTANEOUS_QUERIES, SOCKET_TIMEOUT, NETWORK_ERROR, MEMORY_LIMIT_EXCEEDED,
# TABLE_IS_READ_ONLY, TOO_MANY_PARTS, KEEPER_EXCEPTION; on a cluster also NO_ZOOKEEPER, ALL_CONNECTION_TRIES_FAILED,
# TOO_FEW_LIVE_REPLICAS, UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE, REPLICA_IS_NOT_IN_QUORUM, UNKNOWN_STATUS_OF_INSERT
RETRYABLE_CODES = {159, 202, 209, 210, 241, 242, 252, 999, 225, 279, 285, 286, 289, 319}

# What the driver, and Arrow, come to when an answer isn't what they expect.
NOT_CLICKHOUSES = (ValueError, LookupError, TypeError, EOFError, pl.exceptions.PolarsError)

# The driver logs what goes wrong on the wire with a traceback, and raises it too; raised, it is explained here.
logging.getLogger("clickhouse_connect").setLevel(logging.ERROR)
# On the command line, where nobody has set logging up, a warning is a line on the standard error.
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TableSchema:
    """A table or view as `system.tables` and `system.columns` have it.

    Attributes:
        engine: The table's engine; empty if there is no such table.
        columns: Name, type and comment of each column, in order.
    """

    engine: str = ""
    columns: Sequence[Sequence[Any]] = ()


class ClickHouse:
    """A ClickHouse to write to and read from; connects at first use.

    Not for use by several threads at a time. Every name in its SQL carries its database, so a connection
    needs no current one and works before `bionicpro init clickhouse`.
    """

    # The cluster that tables are spread over; None on a single server.
    cluster: str | None = None

    def __init__(
        self,
        url: str,
        *,
        cluster: str | None = None,
        engine_wait_seconds: float = ENGINE_WAIT_SECONDS,
        only_reads: bool = False,
        session_timezone: str | None = None,
    ) -> None:
        """A ClickHouse that isn't connected to yet.

        Args:
            url: `BIONICPRO_CLICKHOUSE_URL`.
            cluster: The cluster that tables are spread over.
            engine_wait_seconds: How long to wait for an embedded engine that another process has.
            only_reads: Whether the connection is one that can only read, and nothing but ClickHouse's own tables.
            session_timezone: The time zone in which such a connection is asked; by default the server's.
        """
        self._url = url
        self.cluster = cluster
        self._only_reads, self._session_timezone = only_reads, session_timezone
        self._engine_wait_seconds = engine_wait_seconds
        self._client: Client | None = None

    @property
    def place(self) -> str:
        """Address without user and password, for messages and logs."""
        url = urlsplit(self._url)
        if url.scheme == "chdb":
            return f"ClickHouse (embedded engine in {unquote(url.path)})"
        return f"ClickHouse ({url.scheme}://{url.hostname}:{url.port or (8443 if url.scheme == 'https' else 8123)})"

    @cached_property
    def _tables(self) -> dict[tuple[str, str], TableSchema]:
        """Tables as they were looked up; forgotten with every statement that may change them."""
        return {}

    def schema_of(self, database: str, table: str) -> TableSchema:
        """The columns and the engine of a table or view; without columns, if there is none.

        All tables of the platform are looked up at once.
        """
        if (database, table) not in self._tables:
            _, found = self.rows(sql("clickhouse/queries/columns.sql"), {"databases": [*OWN_DATABASES, database]})
            for its_database, its_table, engine, columns in found:
                self._tables[its_database, its_table] = TableSchema(engine, columns)
        return self._tables.get((database, table), TableSchema())

    def __enter__(self) -> "ClickHouse":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection, and of the embedded engine's folder."""
        if self._client is not None:
            self._client.close()
            self._client = None
        self._tables.clear()

    def command(self, statement: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Run one statement that returns nothing of interest."""
        self._tables.clear()
        with self._explained() as client:
            client.command(statement, parameters=dict(parameters or {}))

    def rows(
        self,
        query: str,
        parameters: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> tuple[list[str], Sequence[Sequence[Any]]]:
        """Column names and rows of a query, as Python values."""
        with self._explained() as client:
            result = client.query(query, parameters=dict(parameters or {}), settings=dict(settings or {}))
            return list(result.column_names), result.result_rows

    def frame(self, query: str, parameters: Mapping[str, Any] | None = None) -> pl.DataFrame:
        """The rows of a query as a frame. DateTime columns come as UInt32, as ClickHouse's Arrow has them."""
        with self._explained() as client:
            return pl.DataFrame(pl.from_arrow(client.query_arrow(query, parameters=dict(parameters or {}))))

    def text(self, query: str, form: str, parameters: Mapping[str, Any] | None = None) -> bytes:
        """The rows of a query in one of ClickHouse's output formats: all of them, or an error."""
        with self._explained() as client:
            # A server that answers row by row writes an error that comes later among the rows.
            wait = {"wait_end_of_query": 1}
            found: bytes = client.raw_query(query, parameters=dict(parameters or {}), settings=wait, fmt=form)
            return found

    def insert_arrow_stream(self, table: str, columns: Sequence[str], blocks: Generator[bytes, None, None]) -> None:
        """One INSERT of an Arrow stream with these columns, which are matched by name; a missing one is an error."""
        with self._explained() as client:
            client.raw_insert(table, column_names=list(columns), insert_block=blocks, fmt="ArrowStream")

    @contextmanager
    def _explained(self) -> Iterator["Client"]:
        # The driver is imported where it is used: the daemon loads this module too, and never connects.
        from clickhouse_connect.driver.exceptions import ClickHouseError as DriverError

        if self._client is None:
            self._client = self._connect()
        try:
            yield self._client
        except DriverError as error:
            raise self.explained(error) from error
        except NOT_CLICKHOUSES as error:
            raise self._not_understood(error) from error

    def explained(self, error: Exception) -> ClickHouseError:
        """The driver's error as one sentence that names the place and what to do."""
        code = getattr(error, "code", None)
        message = " ".join(str(error).split())
        advice = f" {ADVICE[code]}" if code in ADVICE else ""
        if code is None:
            # The driver's own words are "Error executing HTTP request"; the cause is what the system said.
            cause = _system_error(error)
            reason = (cause.strerror or str(cause)) if cause else message
            match cause:
                case ssl.SSLCertVerificationError():
                    reason = f"its certificate isn't trusted ({cause.verify_message})"
                    advice = f"Name the certificate of its authority in {SETTING}, with ?ca_cert=/path."
                case FileNotFoundError():
                    advice = f"Check the files that ca_cert and client_cert name in {SETTING}."
                case _:
                    advice = f"Check {SETTING}."
            if cause is None and not self._url.startswith("chdb:"):
                return self._not_understood(error)
            passing = not isinstance(cause, ssl.SSLCertVerificationError | FileNotFoundError)
            return ClickHouseError(f"{self.place} can't be reached: {reason}. {advice}", retryable=passing)
        return ClickHouseError(f"{self.place}: {message}.{advice}", retryable=code in RETRYABLE_CODES)

    def _not_understood(self, error: Exception) -> ClickHouseError:
        words = " ".join(str(error).split())[:200]
        return ClickHouseError(
            f"{self.place} gave an answer that isn't ClickHouse's, or half of one ({type(error).__name__}: {words}). "
            f"See that {SETTING} leads to a ClickHouse server's HTTP port, and that the profile of its user sets no "
            "limit, offset or filter of results.",
            retryable=True,
        )

    def _connect(self) -> "Client":
        import clickhouse_connect
        from clickhouse_connect.driver.exceptions import ClickHouseError as DriverError

        url = urlsplit(self._url)
        options: dict[str, Any] = dict(parse_qsl(url.query))
        try:
            if url.scheme == "chdb":
                return self._open_engine(unquote(url.path))
            client: Client = answered(
                CONNECT_SECONDS,
                partial(
                    clickhouse_connect.get_client,
                    interface=url.scheme,
                    host=url.hostname,
                    port=url.port,
                    username=unquote(url.username) if url.username else None,
                    password=unquote(url.password or ""),
                    # Sessions would forbid two statements at a time and buy nothing: no temporary tables here.
                    autogenerate_session_id=False,
                    client_name="bionicpro_assets",
                    show_clickhouse_errors="scrub",
                    **options,
                ),
            )
            answered(CONNECT_SECONDS, self._set_up, client)
            return client
        except DriverError as error:
            raise self.explained(error) from error
        except NOT_CLICKHOUSES as error:
            raise self._not_understood(error) from error
        except TimeoutError:
            raise ClickHouseError(
                f"{self.place} took the connection and hasn't answered for {CONNECT_SECONDS:.0f} s. See if the server, "
                f"or what stands before it, is stuck; or whether {SETTING} leads to something else.",
                retryable=True,
            ) from None

    def _set_up(self, client: "Client") -> None:
        if self._only_reads:
            self._forbid_writing(client)
        more = SESSION if self.cluster else {}
        pin(client, self.place, only_reads=self._only_reads, more=more, all_of_them=True)

    def _forbid_writing(self, client: "Client") -> None:
        """Have the server refuse whatever isn't reading, for as long as the connection lasts.

        With `readonly` 1 a query can change no setting, and call no table function that reads from elsewhere. A user
        whose profile has 2 keeps it: it can't be changed.
        """
        readonly = client.server_settings.get("readonly")
        match readonly.value if readonly else "0":
            case "1":
                ((zone,),) = client.query("SELECT timezone()").result_rows
                if self._session_timezone not in (None, zone):
                    raise ClickHouseError(
                        f"{self.place} is asked in the time zone {zone}, and can't be in {self._session_timezone}: the "
                        f"user in {SETTING} has a profile with readonly = 1. Set that to 2, or session_timezone in it."
                    )
                return
            case "0":
                client.set_client_setting("readonly", 1)
        if self._session_timezone:
            client.set_client_setting("session_timezone", self._session_timezone)

    def _open_engine(self, folder: str) -> "Client":
        import clickhouse_connect
        from clickhouse_connect.driver.exceptions import ClickHouseError as DriverError

        path = folder
        if self._only_reads:
            # In the engine's rights from its start: settings of a session could be set back.
            zone = f"&session_timezone={self._session_timezone}" if self._session_timezone else ""
            path = f"{folder}?config-file={READER}&users_config={READER}{zone}"
        deadline = time.monotonic() + self._engine_wait_seconds
        # The engine's own lock. When somebody else holds it, the engine says so on its standard error, and to the
        # caller only that it didn't start. So it is asked first, and the lock is looked at then.
        lock, failed_unlocked, was_said = Path(folder) / "status", False, False
        while True:
            try:
                client: Client = clickhouse_connect.get_client(
                    interface="chdb", path=path, show_clickhouse_errors="scrub"
                )
                if self._only_reads and client.server_settings["readonly"].value != "1":
                    client.close()
                    raise ClickHouseError(f"{self.place} didn't take the rights in {READER}; nothing was asked.")
                more = SESSION if self.cluster else {}
                pin(client, self.place, only_reads=self._only_reads, more=more, all_of_them=False)
                return client
            except DriverError:
                in_use = is_locked(lock)
                # Once, without a lock, may be a process that has just let go of it.
                if failed_unlocked and not in_use:
                    raise
                failed_unlocked = not in_use
            except ImportError as error:
                raise ClickHouseError(
                    f"{self.place}: the engine isn't installed; install bionicpro-assets[embedded]."
                ) from error
            if not failed_unlocked and not was_said:
                was_said = True
                logger.warning(
                    "Waiting for %s, which has the embedded ClickHouse engine; for at most %.0f s.",
                    holder(lock), self._engine_wait_seconds,
                )  # fmt: skip
            while is_locked(lock):
                if time.monotonic() > deadline:
                    raise ClickHouseError(
                        f"{self.place} is in use by another process, and serves one at a time. Wait for the run or "
                        f"query that has it, or set {SETTING} to a ClickHouse server.",
                        retryable=True,
                    )
                time.sleep(ENGINE_POLL_SECONDS)


def _system_error(error: BaseException | None) -> OSError | None:
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    return error
