"""What `bionicpro query` shows: on terminals of several widths, in a pipe, and in each format."""

import csv
import fcntl
import io
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import polars as pl
import pytest

from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets_tests.e2e.upping import environment

BIONICPRO = Path(sys.executable).parent / "bionicpro"
WIDE = (
    "SELECT number + 1 AS id, 0.001234 AS share, 'Анна' AS name, toDate('2026-11-24') AS day, "
    "[toDate('2026-11-23'), day] AS days, toDateTime('2026-11-24 08:00:00', 'UTC') AS at, NULL AS nothing, "
    "1234567.5 AS big FROM numbers(2)"
)
ROW = ["0.001234", "Анна", "2026-11-24", "['2026-11-23','2026-11-24']", "2026-11-24 08:00:00", "ᴺᵁᴸᴸ", "1234567.5"]


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("query")
    with ClickHouse(f"chdb://{folder}/clickhouse") as clickhouse:
        clickhouse.command("SELECT 1")
    sources = {f"BIONICPRO_{name}_DB_URL": "postgresql://etl@nowhere/db" for name in ("CRM", "TELEMETRY")}
    ours = sources | {"BIONICPRO_CLICKHOUSE_URL": f"chdb://{folder}/clickhouse", "BIONICPRO_HOME": str(folder)}
    return environment() | ours | {"NO_COLOR": "1", "TERM": "xterm"}


def on_a_terminal(settings: dict[str, str], columns: int, *arguments: str) -> list[str]:
    """The lines that a terminal of so many columns is sent."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    with subprocess.Popen(
        [BIONICPRO, "query", *arguments], env=settings, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        said = b""
        try:
            while block := os.read(ours, 65536):
                said += block
        except OSError:  # Linux says so that the other end is closed
            pass
        os.close(ours)
    text = said.decode().replace("\x1b[1m", "").replace("\x1b[2m", "").replace("\x1b[0m", "")
    assert process.returncode == 0, text
    return text.splitlines()


def in_a_pipe(settings: dict[str, str], *arguments: str, stdin: bytes = b"") -> bytes:
    done = subprocess.run([BIONICPRO, "query", *arguments], env=settings, input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_a_terminal_that_is_wide_enough_gets_a_table(settings):
    names = ["id", "share", "name", "day", "days", "at", "nothing", "big"]
    header, rule, *rows, count = on_a_terminal(settings, 120, WIDE)
    assert header.split() == names
    assert set(rule) == {"─", " "}
    assert [line.split() for line in rows] == [[str(n), *" ".join(ROW).split()] for n in (1, 2)]
    assert count == "2 rows"
    # Numbers end where their column ends.
    assert rows[0].endswith("1234567.5")
    assert rows[0].index("1") == header.index("id") + 1


@pytest.mark.parametrize("columns", [60, 80])
def test_a_row_is_a_block_where_the_table_does_not_fit(settings, columns):
    first, *lines = on_a_terminal(settings, columns, WIDE)
    assert first.startswith("── row 1 ")
    assert max(map(len, [first, *lines])) <= columns
    block = [line.split(maxsplit=1) for line in lines[:8]]
    assert block == [["id", "1"], *([name, value] for name, value in zip(
        ["share", "name", "day", "days", "at", "nothing", "big"], ROW, strict=True))]  # fmt: skip
    assert lines[8].startswith("── row 2 ")
    assert lines[-1] == "2 rows"


def test_a_pipe_gets_tab_separated_text_and_nothing_else(settings):
    row = "\t".join(["{}", *ROW]).replace("ᴺᵁᴸᴸ", "\\N")
    assert in_a_pipe(settings, WIDE).decode() == "".join(f"{row.format(n)}\n" for n in (1, 2))


def test_every_format_has_the_same_values(settings, tmp_path):
    asked = "SELECT number AS n, 0.1 + n AS x, concat('a,\"b', toString(n)) AS t FROM numbers(3); -- three"
    expected = [(n, 0.1 + n, f'a,"b{n}') for n in range(3)]
    file = tmp_path / "asked.sql"
    file.write_text(asked)
    from_file = ("--file", str(file), "--format")
    header, *rows = csv.reader(io.StringIO(in_a_pipe(settings, *from_file, "csv").decode()))
    assert header == ["n", "x", "t"]
    assert [(int(n), float(x), t) for n, x, t in rows] == expected
    lines = in_a_pipe(settings, *from_file, "jsonl").splitlines()
    assert [tuple(json.loads(line).values()) for line in lines] == expected
    assert pl.read_parquet(io.BytesIO(in_a_pipe(settings, *from_file, "parquet"))).rows() == expected
    assert in_a_pipe(settings, *from_file, "markdown").decode().splitlines()[0].split() == [
        "|",
        "n",
        "|",
        "x",
        "|",
        "t",
        "|",
    ]
    # The same from standard input.
    told = in_a_pipe(settings, "-", stdin=asked.encode()).decode().splitlines()
    assert [tuple(line.split("\t")) for line in told] == [(str(n), str(x), t) for n, x, t in expected]


def test_whoever_reads_only_the_first_lines_is_told_nothing(settings):
    """As in `… | head -n 1`: what is left over can't be written, and that is no error of the query."""
    command = [BIONICPRO, "query", "SELECT number, repeat('x', 100) FROM numbers(100000)"]
    with subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"0\txxx")
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (141, b"")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["SELECT 1", "--file", "x.sql"], "not both"),
        (["--file", "/nowhere/x.sql"], "/nowhere/x.sql can't be read: No such file or directory."),
    ],
)
def test_a_query_that_is_not_there_is_a_sentence(settings, arguments, said):
    done = subprocess.run([BIONICPRO, "query", *arguments], env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
