"""What the platform writes on the machine is for its owner alone."""

import os
import pwd
import socket
import stat
import subprocess
import sys
from pathlib import Path

import psycopg2
import pytest

from bionicpro_assets.errors import PlatformError
from bionicpro_assets.folders import BEING_WRITTEN, private_home, write_private
from bionicpro_assets.setup.demo import ENV_HEADER, write_env_file
from bionicpro_assets.setup.embedded import embedded_postgres, let_through
from bionicpro_assets_tests.folders import folder_for_postgres
from bionicpro_assets_tests.integration.sources import execute

AS_ROOT = os.geteuid() == 0
# Run by root, PostgreSQL works as another user in root's groups, who must get through.
HOME_MODE = 0o710 if AS_ROOT else 0o700
OTHERS = 0o077


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def open_to_others(folder: Path) -> list[str]:
    """Whatever in the folder others may read, change or enter. Links have no mode of their own."""
    found = [p for p in folder.rglob("*") if not p.is_symlink() and mode(p) & OTHERS]
    return [f"{mode(p):o} {p.relative_to(folder)}" for p in found]


def test_a_whole_demo_profile_is_its_owners_alone():
    """The demo, a page, a query, the tables of Dagster: all that a command writes, under the umask that people have."""
    with folder_for_postgres() as folder:
        folder.chmod(0o755)
        environment = {n: v for n, v in os.environ.items() if not n.startswith(("BIONICPRO_", "DAGSTER_", "ETL_"))}
        # One that it writes anew was readable before.
        (folder / ".env").write_text(ENV_HEADER)
        (folder / ".env").chmod(0o644)
        for command in (
            # A whole day: in two hours of the night this user may not wear the prosthesis.
            ["demo", "--prostheses", "6", "--hours", "24", "--days", "0"],
            ["report", "--user", "user_0005"],
            ["report", "--fleet"],
            ["status"],
            ["query", "SELECT count() FROM reports.user_prosthesis_stats"],
        ):
            done = subprocess.run(
                [sys.executable, "-W", "ignore", "-m", "bionicpro_assets.cli.main", *command],
                cwd=folder, env=environment, umask=0o022, capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr
            if command[0] == "report":
                page = Path(done.stdout.partition(".html: ")[0] + ".html")
                assert page.resolve().parent == (folder / ".bionicpro" / "reports").resolve()
                assert page.is_file()
        home = folder / ".bionicpro"
        assert {entry.name for entry in home.iterdir()} > {"clickhouse", "dagster", "postgres", "reports", "demo.json"}
        assert len(list(home.rglob("*"))) > 500
        assert open_to_others(home) == []
        assert mode(home) == HOME_MODE
        assert not list(home.rglob(f"{BEING_WRITTEN}*"))
        assert mode(folder / ".env") == 0o600
        # Nothing but these two stands beside the code, and the folder hides itself from git.
        assert {entry.name for entry in folder.iterdir()} == {".env", ".bionicpro"}
        assert (home / ".gitignore").read_text() == "*\n"


def test_a_profile_of_an_earlier_version_is_closed(tmp_path):
    home = tmp_path / "home"
    for name in ("clickhouse", "dagster", "pages"):
        (home / name / "below").mkdir(parents=True)
        (home / name).chmod(0o755)
    (home / "demo.json").write_text("{}")
    (home / "demo.json").chmod(0o644)
    home.chmod(0o755)
    private_home(home)
    assert mode(home) == HOME_MODE
    assert {entry.name for entry in home.iterdir()} == {"clickhouse", "dagster", "pages", "demo.json", ".gitignore"}
    assert [entry.name for entry in home.iterdir() if mode(entry) & OTHERS] == []


def test_a_folder_of_somebodys_own_stays_as_it_is(tmp_path):
    """BIONICPRO_HOME may be a folder that holds other things: the checkout, or a service's home."""
    (tmp_path / "code.py").write_text("")
    (tmp_path / "code.py").chmod(0o644)
    (tmp_path / "dagster").mkdir()
    (tmp_path / "dagster").chmod(0o755)
    tmp_path.chmod(0o755)
    private_home(tmp_path)
    assert {entry.name for entry in tmp_path.iterdir()} == {"code.py", "dagster"}
    assert (mode(tmp_path), mode(tmp_path / "code.py"), mode(tmp_path / "dagster")) == (0o755, 0o644, 0o700)


def test_settings_that_are_written_again_are_closed(tmp_path):
    target = tmp_path / ".env"
    target.write_text(ENV_HEADER + "OLD='a long line that the new text does not reach'\n")
    target.chmod(0o664)
    home = tmp_path / "home"
    home.mkdir()
    assert write_env_file({"BIONICPRO_HOME": "x"}, home) == target
    assert (home / "demo.env").read_text() == target.read_text()
    assert mode(home / "demo.env") == 0o600
    assert target.read_text() == ENV_HEADER + "BIONICPRO_HOME='x'\n"
    assert mode(target) == 0o600
    write_private(tmp_path / "new", "x")
    assert mode(tmp_path / "new") == 0o600


def test_who_holds_the_old_file_open_reads_nothing_of_the_new_one(tmp_path):
    """What stood there may have been anybody's to read, and stays open for who opened it then."""
    target = tmp_path / ".env"
    target.write_text("old")
    target.chmod(0o666)
    (tmp_path / "another name").hardlink_to(target)
    with target.open("r+") as held:
        write_private(target, "a secret")
        held.seek(0)
        assert held.read() == "old"
        held.write("of somebody else")
    assert (target.read_text(), mode(target)) == ("a secret", 0o600)
    assert (tmp_path / "another name").read_text().startswith("old")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [".env", "another name"]


def test_a_file_that_a_killed_process_left_half_written_leaves_the_home_the_platforms(tmp_path):
    (tmp_path / f"{BEING_WRITTEN}demo.json.x").write_text("{")
    tmp_path.chmod(0o755)
    private_home(tmp_path)
    assert mode(tmp_path) == HOME_MODE


@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "socket", "folder"])
def test_what_is_no_file_is_not_replaced(tmp_path, kind):
    """A run as root would end with a file in the place of a device."""
    target, other = tmp_path / "there", tmp_path / "other"
    other.write_text("as it was")
    match kind:
        case "link":
            target.symlink_to(other)
        case "dangling link":
            target.symlink_to("nowhere")
        case "pipe":
            os.mkfifo(target)
        case "socket":
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(str(target))
        case "folder":
            target.mkdir()
    before = (target.lstat().st_ino, target.lstat().st_mode)
    with pytest.raises(OSError, match="isn't a regular file, and isn't replaced"):
        write_private(target, "x")
    assert (target.lstat().st_ino, target.lstat().st_mode) == before
    assert other.read_text() == "as it was"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["other", "there"]


@pytest.fixture
def user() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


def test_the_embedded_postgres_admits_its_owner_alone(user):
    with folder_for_postgres() as folder:
        data = folder / "home" / "postgres"
        with embedded_postgres(data) as urls:
            execute(urls["crm_db"], "CREATE ROLE etl LOGIN")
            rules = "SELECT type, database, user_name, auth_method, options, error FROM pg_hba_file_rules"
            assert execute(urls["crm_db"], rules) == [("local", ["all"], ["all"], "peer", ["map=owner"], None)]
            names = "SELECT sys_name, pg_username, error FROM pg_ident_file_mappings"
            assert execute(urls["crm_db"], names) == [(user, "all", None)]
            # As any user of the database, but not as any user of the machine.
            assert execute(urls["crm_db"].replace("postgres:", "etl:"), "SELECT current_user") == [("etl",)]
            if AS_ROOT:
                assert_refused("nobody", urls["crm_db"], data)
        assert mode(data) == 0o700
        assert mode(folder / "home") == HOME_MODE
        # As a version before this one left it, with a server that another process has started.
        for name in ("pg_hba.conf", "pg_ident.conf"):
            (data / name).write_text("local all all trust\n" if name == "pg_hba.conf" else "")
        with embedded_postgres(data) as urls:
            assert execute(urls["crm_db"], rules) == [("local", ["all"], ["all"], "peer", ["map=owner"], None)]


CONNECT = """
import sys
sys.path[:0] = sys.argv[3:]
import os, pwd
import psycopg2
os.setgid(pwd.getpwnam(sys.argv[1]).pw_gid)
os.setuid(pwd.getpwnam(sys.argv[1]).pw_uid)
try:
    psycopg2.connect(sys.argv[2])
except psycopg2.OperationalError as error:
    sys.exit(str(error))
"""


def assert_refused(name: str, url: str, data: Path) -> None:
    """Another user of the machine can't connect, also where the socket stands in a folder for all."""
    before = {folder: mode(folder) for folder in (data, data.parent, data.parent.parent)}
    command = [sys.executable, "-c", CONNECT, name, url, str(Path(psycopg2.__file__).parents[1])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Permission denied" in done.stderr
    try:
        for folder in before:
            folder.chmod(0o777)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        for folder, kept in before.items():
            folder.chmod(kept)
    assert done.returncode == 1
    assert "Peer authentication failed" in done.stderr


@pytest.mark.parametrize("home", ["home", "x" * 90], ids=["short", "too long for a socket"])
def test_nobody_gets_in_while_a_server_starts_for_the_first_time(user, monkeypatch, home):
    """Attacked as soon as it answers, before the platform has spoken to it."""
    from embedded_postgres import _commands

    start, attacked = _commands.pg_ctl, []

    def attack(arguments, pgdata, **options):
        said = start(arguments, pgdata=pgdata, **options)
        if arguments[-1] == "start":
            place = next(a.removeprefix("-k ") for a in arguments if a.startswith("-k "))
            url = f"postgresql://postgres:@/postgres?host={place}"
            assert execute(url, "SELECT sys_name, pg_username FROM pg_ident_file_mappings") == [(user, "all")]
            if AS_ROOT:
                assert_refused("nobody", url, Path(place))
            attacked.append(Path(place))
        return said

    monkeypatch.setattr(_commands, "pg_ctl", attack)
    with folder_for_postgres() as folder:
        data = folder / home / "postgres"
        with embedded_postgres(data) as urls:
            (place,) = attacked
            assert (place == data) == (home == "home")
            assert execute(urls["crm_db"], "SELECT 1") == [(1,)]
            assert mode(place) == 0o700
            if AS_ROOT:
                assert_refused("nobody", urls["crm_db"], place)


def test_the_way_to_the_embedded_postgres_shows_nothing_on_it():
    """The package would open every folder above to all users, up to the root, when root runs it."""
    with folder_for_postgres() as folder:
        assert mode(folder) == 0o700
        with embedded_postgres(folder / "home" / "postgres") as urls:
            assert execute(urls["crm_db"], "SELECT 1") == [(1,)]
            assert mode(folder) == HOME_MODE
            assert mode(folder / "home") == HOME_MODE
            (folder / "known").write_text("x")
            (folder / "known").chmod(0o644)
            if AS_ROOT:
                done = subprocess.run(["cat", folder / "known"], user="nobody", group="nogroup", extra_groups=[],
                                      capture_output=True, check=False)  # fmt: skip
                assert b"Permission denied" in done.stderr


@pytest.mark.skipif(not AS_ROOT, reason="a folder can be given to another group by root only")
def test_somebodys_closed_folder_is_not_opened():
    with folder_for_postgres() as folder:
        os.chown(folder, pwd.getpwnam("nobody").pw_uid, pwd.getpwnam("nobody").pw_gid)
        with (
            pytest.raises(PlatformError, match=f"as another user, who can't get through {folder}, and it isn't opened"),
            embedded_postgres(folder / "home" / "postgres"),
        ):
            pass
        assert mode(folder) == 0o700
        folder.chmod(0o711)
        let_through(folder / "home")
        assert mode(folder) == 0o711


def test_who_is_let_through_can_not_look_around():
    with folder_for_postgres() as closed:
        (closed / "below").mkdir()
        let_through(closed / "below")
        assert mode(closed) == 0o710
