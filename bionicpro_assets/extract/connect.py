"""The one place that opens connections to PostgreSQL.

A session is the same whatever a role, a database, the environment or a pooler says, and no wait is without an end.
"""

import ctypes
import os
import re
import select
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bionicpro_assets.sqlfiles import sql
from bionicpro_assets.waiting import answered

if TYPE_CHECKING:
    from psycopg2.extensions import connection as PgConnection
    from psycopg2.extensions import cursor as PgCursor

# For each host of a URL; a shorter `connect_timeout` in the URL is kept.
CONNECT_SECONDS = 30
# For a first small answer of a server that took the connection; a pooler may make it wait for a free session.
ANSWER_SECONDS = 60.0
# Longer than any statement_timeout of a read, which the server keeps as long as it lives.
READ_SECONDS = 660.0
# PQERRORS_SQLSTATE of libpq.
CODES_FOR_WORDS = 3
# PostgreSQL's code of what went well.
TAKEN = "00000"


def parts_of(url: str) -> dict[str, str]:
    """What libpq reads in a URL, by its keywords.

    Raises:
        psycopg2.ProgrammingError: It isn't a URL of libpq's. Its text may quote the password.
    """
    # Imported where it is used, here and below: whoever only declares assets needs no driver.
    from psycopg2.extensions import parse_dsn

    return dict(parse_dsn(url))


def address_of(parts: dict[str, str]) -> str:
    """Where it leads, without a secret: `host:port` of each host, or `local socket`."""
    hosts, ports = (parts.get(name, "").split(",") for name in ("host", "port"))
    if len(ports) != len(hosts):
        ports = ports[:1] * len(hosts)
    named = [
        f"{host}:{port}" if port else host
        for host, port in zip(hosts, ports, strict=True)
        if host and not host.startswith("/")
    ]
    return ",".join(named) or "local socket"


def connect_seconds(parts: dict[str, str]) -> int:
    """How long one host may take to let in."""
    wanted = parts.get("connect_timeout", "")
    return int(wanted) if wanted.isdigit() and 0 < int(wanted) < CONNECT_SECONDS else CONNECT_SECONDS


def conninfo(url: str, *, unquoted: bool = False) -> str:
    """The URL as libpq's `keyword=value`, for both drivers, with what must not come from the environment.

    Only `client_encoding` and `application_name` go to the server: poolers refuse a session with others. An empty value
    keeps libpq from looking into PGOPTIONS and PGHOSTADDR, of which the latter would lead to another server.

    Args:
        url: Of libpq's kind.
        unquoted: Whether the session is to begin with `quote_all_identifiers` off.
    """
    from psycopg2.extensions import make_dsn

    parts = parts_of(url)
    given: dict[str, Any] = {"application_name": "bionicpro_assets", "options": "", "hostaddr": ""} | parts
    pinned = {
        "client_encoding": "UTF8",
        "connect_timeout": connect_seconds(parts),
        # A peer that is gone without a word is found out in a minute and a half.
        "keepalives": 1,
        "keepalives_idle": 30,
        "keepalives_interval": 15,
        "keepalives_count": 4,
        "tcp_user_timeout": 90_000,
    }
    if unquoted:
        given["options"] += " -c quote_all_identifiers=off"
    return str(make_dsn(**(given | pinned)))


def leave_alone(used: object) -> None:
    """Keep what a driver still waits on from being closed, also when the process ends: that could crash."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(used))


def open_reader(url: str, *, unquoted: bool = False) -> Any:
    """A connection of ADBC's. The arguments are those of `conninfo`.

    Raises:
        adbc_driver_manager.Error: It is refused, or nobody answers.
        TimeoutError: Somebody took the connection and stays silent.
    """
    from adbc_driver_postgresql import dbapi

    # The driver opens two sessions, one after the other.
    return answered(2 * _patience(url), dbapi.connect, conninfo(url, unquoted=unquoted))


def open_writer(url: str) -> "PgConnection":
    """A connection of psycopg2's. Raises as `open_reader`, errors of psycopg2."""
    import psycopg2

    opened: PgConnection = answered(_patience(url), psycopg2.connect, conninfo(url))
    return opened


def _patience(url: str) -> float:
    return _seconds_of_all_hosts(parts_of(url)) + ANSWER_SECONDS


def _seconds_of_all_hosts(parts: dict[str, str]) -> float:
    return connect_seconds(parts) * (parts.get("host", "").count(",") + 1)


@contextmanager
def transaction(connection: "PgConnection", *, limits: str, seconds: float) -> Iterator[tuple["PgCursor", datetime]]:
    """A transaction that writes, committed at its end, rolled back on any error; when it began, by the server's clock.

    All that it sets holds until its end only: a pooler gets its connection back as it was.

    Args:
        connection: Of `open_writer`.
        limits: The file under `sql/postgres/` that bounds its statements.
        seconds: How long all of it may take. Then the connection is cut, which libpq reports as an error.
    """
    watch = threading.Timer(seconds, _cut, [connection])
    watch.daemon = True
    watch.start()
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql("postgres/write_transaction.sql"))
            cursor.execute(sql("postgres/session.sql"))
            (began_at, *_) = cursor.fetchone() or (datetime.now(UTC),)
            cursor.execute(sql(f"postgres/{limits}.sql"))
            yield cursor, began_at
    finally:
        watch.cancel()


def _cut(connection: "PgConnection") -> None:
    with socket.socket(fileno=os.dup(connection.fileno())) as its_own:
        its_own.shutdown(socket.SHUT_RDWR)


def sqlstate_of_refusal(url: str) -> str:
    """The SQLSTATE with which a server refuses a connection; TAKEN if it is taken now, empty if nobody answers.

    The text of a refusal is in the server's language, and libpq gives no code with it, unless it is told to give codes
    for words before it connects.
    """
    import psycopg2
    from psycopg2.extensions import POLL_OK, POLL_READ

    # The library that psycopg2 brings along. It documents `pgconn_ptr` for calling libpq; of its module only the file
    # counts, and `test_sessions.py` notices when that moves.
    libpq = ctypes.CDLL(sys.modules["psycopg2._psycopg"].__file__)
    deadline = time.monotonic() + _seconds_of_all_hosts(parts_of(url))
    try:
        connection = psycopg2.connect(conninfo(url), async_=True)
        libpq.PQsetErrorVerbosity(ctypes.c_void_p(connection.pgconn_ptr), CODES_FOR_WORDS)
        while (state := connection.poll()) != POLL_OK and time.monotonic() < deadline:
            # Not select(), which takes no file descriptor above 1023.
            waiting = select.poll()
            waiting.register(connection.fileno(), select.POLLIN if state == POLL_READ else select.POLLOUT)
            waiting.poll(1000)
        connection.close()
        return TAKEN if state == POLL_OK else ""
    except psycopg2.Error as error:
        codes = re.findall(r"\b([0-9A-Z]{5})$", str(error).strip(), re.MULTILINE)
        return codes[-1] if codes else ""
