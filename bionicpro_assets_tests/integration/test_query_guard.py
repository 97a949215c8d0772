"""`bionicpro query` under attack: it reads ClickHouse's own tables, and does nothing else."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bionicpro_assets.cli.main import app
from bionicpro_assets.cli.query import ask
from bionicpro_assets.errors import ClickHouseError
from bionicpro_assets.load.clickhouse import READER, ClickHouse
from bionicpro_assets.load.reading import functions
from bionicpro_assets.setup.clickhouse import apply_clickhouse_schema
from bionicpro_assets_tests.gateway.fixtures import running_gateway
from bionicpro_assets_tests.integration.attacks import (
    CHANGES,
    ELSEWHERE,
    FILES,
    FILES_AS_TABLES,
    HONEST,
    RIGHTS,
    lines,
)

ATTACKS = {"files": FILES, "elsewhere": ELSEWHERE, "changes": CHANGES}
NOBODYS_BUSINESS = "s3cret"


def bionicpro(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.fixture
def home(tmp_path: Path, monkeypatch) -> Path:
    """The settings of an embedded engine with the schema and a publication, and a folder of others' files beside it."""
    for name in ("CRM_DB", "TELEMETRY_DB"):
        monkeypatch.setenv(f"BIONICPRO_{name}_URL", "postgresql://etl@nowhere/db")
    monkeypatch.setenv("BIONICPRO_CLICKHOUSE_URL", f"chdb://{tmp_path}/clickhouse")
    monkeypatch.setenv("COLUMNS", "400")
    with ClickHouse(f"chdb://{tmp_path}/clickhouse") as clickhouse:
        apply_clickhouse_schema(clickhouse)
        clickhouse.command(
            "INSERT INTO storage.publications (table_name, hour_start, publication, row_count) "
            "VALUES ('reports.user_prosthesis_stats', toStartOfHour(now()), 1, 7)"
        )
    others = tmp_path / "others"
    others.mkdir()
    (others / "secret.tsv").write_text(f"{NOBODYS_BUSINESS}\n")
    (others / "victim.csv").write_text("somebody's\n")
    return tmp_path


@contextmanager
def somebody_listening() -> Iterator[tuple[int, list[bytes]]]:
    """A port of this machine, and what whoever connected to it has said first."""
    heard: list[bytes] = []

    def listen() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(0.2)
                    said = b""
                    with suppress(OSError):
                        said = connection.recv(100)
                    heard.append(said)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield listener.getsockname()[1], heard
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def outside(home: Path) -> dict[str, str]:
    """What stands outside the engine's folder."""
    files = [p for p in home.rglob("*") if p.is_file() and "clickhouse" not in p.relative_to(home).parts]
    return {str(p.relative_to(home)): p.read_text(errors="replace") for p in files}


def stored(clickhouse: ClickHouse) -> list[tuple[object, ...]]:
    """What there is of databases, tables and rows."""
    statement = """SELECT database, name, engine, total_rows, create_table_query FROM system.tables
        WHERE database NOT IN ('system', 'information_schema', 'INFORMATION_SCHEMA') ORDER BY ALL"""
    asked = (statement, "SELECT name FROM system.databases ORDER BY 1", "SELECT * FROM storage.publications")
    return [tuple(row) for one in asked for row in clickhouse.rows(one)[1]]


def refused(home: Path, url: str, statements: list[str]) -> None:
    """Each of the statements is refused by a sentence, nothing changes, and nobody else is asked."""
    with ClickHouse(url) as clickhouse:
        kept = stored(clickhouse)
    others = home / "others"
    names = {"victim": others / "victim.csv", "secret": others / "secret.tsv", "new": others / "new.csv"}
    before = outside(home)
    with somebody_listening() as (port, heard), ClickHouse(url, only_reads=True, session_timezone="UTC") as clickhouse:
        for statement in statements:
            asked = statement.format(**names, folder=others, port=port)
            with pytest.raises(ClickHouseError) as caught:
                pytest.fail(f"{asked}: {ask(clickhouse, asked)!r}")
            assert NOBODYS_BUSINESS not in str(caught.value).replace(asked, ""), asked
            assert "formatQuery" not in str(caught.value), asked
            assert outside(home) == before, asked
            assert ask(clickhouse, "SELECT getSetting('readonly')") == b"1\n", asked
    assert heard == []
    with ClickHouse(url) as clickhouse:
        assert stored(clickhouse) == kept


@pytest.mark.parametrize("kind", ATTACKS)
def test_the_embedded_engine_only_reads(home, kind):
    statements = lines(ATTACKS[kind]) + (lines(FILES_AS_TABLES) if kind == "files" else [])
    assert len(statements) > 20
    refused(home, f"chdb://{home}/clickhouse", statements)


@pytest.mark.parametrize("kind", ATTACKS)
def test_a_server_only_reads_whatever_its_user_may(home, kind):
    """The gateway's user may do everything, so what is refused here is refused for an administrator's URL too."""
    with running_gateway(home / "clickhouse") as gateway:
        refused(home, gateway.url(), [s for s in lines(ATTACKS[kind]) if not s.startswith(RIGHTS) or "file" in s])


@pytest.mark.parametrize("server", [False, True], ids=["embedded", "server"])
def test_honest_questions_are_answered(home, server, monkeypatch):
    asked = [statement.format() for statement in lines(HONEST)]
    assert len(asked) >= 15

    def answers(forms: list[list[str]]) -> None:
        for statement in asked:
            for form in forms:
                told = bionicpro("query", statement, *form)
                assert told.exit_code == 0, (statement, told.output)
                for line in told.stdout.splitlines() if form == ["--json"] else []:
                    json.loads(line)

    if not server:
        answers([["--json"]])
        return
    with running_gateway(home / "clickhouse") as gateway:
        monkeypatch.setenv("BIONICPRO_CLICKHOUSE_URL", gateway.url())
        answers([["--json"], ["--format", "table"], []])


def test_a_clause_that_is_only_explained_writes_nothing(home):
    before = outside(home)
    with ClickHouse(f"chdb://{home}/clickhouse", only_reads=True) as clickhouse:
        for explained in ("SELECT 1", "DROP TABLE storage.publications"):
            assert ask(clickhouse, f"EXPLAIN AST {explained} INTO OUTFILE '{home}/others/new.csv'")
    assert outside(home) == before


def test_what_is_asked_is_what_is_answered(home):
    """The parser's own writing of a statement goes to the engine: no value may change on the way."""
    values = {
        "tab": "a\tb",
        "line": "a\nb",
        "quote": "it's",
        "backslash": "\\n\\",
        "brace": "{x:String}",
        "percent": "%s",
    }
    written = ", ".join(
        "'" + v.replace("\\", "\\\\").replace("'", "\\'") + f"' AS `{name}`" for name, v in values.items()
    )
    result = bionicpro("query", f"SELECT {written}, 'é😀' AS `имя`, 1e-3 AS n -- 'x", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {**values, "имя": "é😀", "n": 0.001}


def test_no_function_of_the_engine_gives_a_file(home):
    """All of them, those that a later version of the engine brings too: what gives one is refused."""
    path = home / "others" / "secret.tsv"
    before = outside(home)
    giving, answers = set(), 0
    with ClickHouse(f"chdb://{home}/clickhouse", only_reads=True) as clickhouse:
        _, names = clickhouse.rows(
            "SELECT name FROM system.functions WHERE NOT is_aggregate AND name NOT ILIKE 'sleep%'"
        )
        for (name,) in names:
            for statement in (f"SELECT `{name}`('{path}')", f"SELECT arrayMap(`{name}`, ['{path}'])"):
                with suppress(ClickHouseError):
                    # Past the parser, with the rights alone.
                    answer = str(clickhouse.rows(statement)[1])
                    answers += 1
                    if NOBODYS_BUSINESS in answer:
                        giving.add(statement)
        assert len(names) > 1000
        assert answers > 500
        # It would be noticed: there is one.
        assert giving == {f"SELECT `file`('{path}')", f"SELECT arrayMap(`file`, ['{path}'])"}
        for statement in giving:
            with pytest.raises(ClickHouseError, match=r"file\(\) reaches beyond"):
                ask(clickhouse, statement)
    assert outside(home) == before


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("SELECT 1 FORMAT CSV", "leave INTO OUTFILE and FORMAT out"),
        ("DROP TABLE storage.publications", "This only reads, and takes statements that begin with SELECT, WITH"),
        ("SELECT file('/etc/hostname')", "This only reads ClickHouse's own tables: file() reaches beyond them."),
        ("SELECT count(file) FROM storage.schema_changes", "If it is a column, name it with its table, like t.file."),
        ("SELECT 1; SELECT 2", "Multi-statements are not allowed"),
        ("SELECT count( FROM x", "Syntax error: failed at position 20"),
        ("SELECT 1 SETTINGS readonly = 0", "No setting can be changed here: leave SETTINGS out."),
        ("SELECT 1\0", "NUL"),
        ("", "Empty query"),
        ("SELECT number FROM numbers(2000000)", "Limit for result exceeded, max rows: 1.00 million"),
        ("SELECT groupArray(number) FROM numbers(10000000000)", "Query memory limit exceeded"),
    ],
)
def test_why_it_is_refused_is_one_sentence(home, statement, said):
    result = bionicpro("query", statement)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "formatQuery" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_reader_never_asks_an_engine_that_did_not_take_its_rights(home, tmp_path, monkeypatch):
    empty = tmp_path / "reader.xml"
    empty.write_text("<clickhouse><profiles><default/></profiles><quotas><default/></quotas>"
                     "<users><default><no_password/><profile>default</profile><quota>default</quota>"
                     "<networks><ip>::/0</ip></networks></default></users></clickhouse>")  # fmt: skip
    monkeypatch.setattr("bionicpro_assets.load.clickhouse.READER", empty)
    result = bionicpro("query", "SELECT 1")
    assert result.exit_code == 2
    assert f"didn't take the rights in {empty}" in result.stderr
    assert READER.exists()


def test_a_page_is_read_with_the_same_rights(home):
    """`report` asks through the same connection: it can't write either."""
    with ClickHouse(f"chdb://{home}/clickhouse", only_reads=True) as clickhouse:
        for statement in ("INSERT INTO storage.publications (table_name) VALUES ('x')", "SELECT * FROM url('x')"):
            with pytest.raises(ClickHouseError, match="Not enough privileges"):
                clickhouse.rows(statement)


def test_a_server_user_who_can_set_nothing_is_asked_in_its_own_time_zone(home):
    """A profile with readonly = 1; the embedded engine's reader has one."""
    with ClickHouse(f"chdb://{home}/clickhouse", only_reads=True, session_timezone="Asia/Tokyo") as clickhouse:
        assert clickhouse.rows("SELECT timezone(), getSetting('readonly')")[1] == [("Asia/Tokyo", 1)]


def test_names_of_functions_are_found_wherever_they_stand():
    found = dict(functions("SELECT a.file, file, `url`('x'), s3(1), arrayMap(file, b) FROM t ORDER BY 'file('"))
    assert found == {"url": True, "s3": True, "arrayMap": True, "file": False, "b": False}
