"""`bionicpro query`."""

import json
import re
import sys
from pathlib import Path

from bionicpro_assets.alerts.text import counted
from bionicpro_assets.cli.console import console, show_rows
from bionicpro_assets.databases import reader_of
from bionicpro_assets.errors import ClickHouseError, PlatformError
from bionicpro_assets.load.clickhouse import INIT_HINT, ClickHouse
from bionicpro_assets.load.reading import reading_statement
from bionicpro_assets.settings import Settings

# The formats of `--format` in ClickHouse's words. `table` is none of them: it depends on the terminal's width.
FORMATS = {
    "tsv": "TabSeparated",
    "csv": "CSVWithNames",
    "jsonl": "JSONEachRow",
    "markdown": "Markdown",
    "parquet": "Parquet",
}
_TEXTS = "JSONCompactStringsEachRowWithNamesAndTypes"
_NO_DATABASE = re.compile(r"Database (?:reports|storage|quarantine|staging) does not exist")


def run_query(statement: str | None, file: Path | None, form: str | None) -> None:
    """Print the rows of a query that may only read.

    Args:
        statement: The query; `-` is standard input, as is nothing at all where that isn't a terminal.
        file: Where it stands instead.
        form: `table` or one of `FORMATS`; by default a table for a terminal, and tab-separated text for all else.

    Raises:
        PlatformError: There is no query, or a terminal can't show the format.
    """
    text = _statement(statement, file)
    form = form or ("table" if sys.stdout.isatty() else "tsv")
    if form == "parquet" and sys.stdout.isatty():
        raise PlatformError("Parquet is nothing to read: send it to a file, with > rows.parquet.")
    with asked(Settings.load()) as clickhouse:
        if form == "table":
            count = show_answer(clickhouse, text)
            console.print(counted(count, "row"), style="dim", highlight=False)
            return
        answer = ask(clickhouse, text, FORMATS[form])
    left = memoryview(answer)
    while left:
        # Python writes a part, if its output isn't buffered and the reader goes in the middle.
        left = left[sys.stdout.buffer.write(left) :]


def _statement(statement: str | None, file: Path | None) -> str:
    if statement is not None and file is not None:
        raise PlatformError("Give the query, or --file with a file that has it; not both.")
    if statement not in (None, "-"):
        return statement or ""
    if file is None and statement is None and sys.stdin.isatty():
        raise PlatformError('Give a query, like "SELECT 1", or --file query.sql; - reads it from standard input.')
    try:
        return sys.stdin.buffer.read().decode() if file is None else file.read_text(encoding="utf-8")
    except OSError as error:
        raise PlatformError(f"{file} can't be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise PlatformError(f"{file or 'Standard input'} isn't text in UTF-8.") from None


def asked(settings: Settings) -> ClickHouse:
    """ClickHouse as people ask it: read-only, `today()` and DateTime columns in the report time zone."""
    return reader_of(settings, session_timezone=settings.report_timezone)


def show_answer(clickhouse: ClickHouse, statement: str, title: str = "") -> int:
    """Print the rows of a query for people; how many there are. Without a row, a title isn't printed either.

    Raises:
        ClickHouseError: As `ask`.
    """
    # Names of columns and types are in the first two lines.
    lines = ask(clickhouse, statement, _TEXTS).decode(errors="replace").split("\n")
    columns, types, *rows = (json.loads(line) for line in lines if line)
    if rows or not title:
        show_rows(columns, types, rows, title)
    return len(rows)


def ask(clickhouse: ClickHouse, statement: str, form: str = FORMATS["tsv"]) -> bytes:
    """The answer to a query, in one of ClickHouse's output formats.

    Raises:
        ClickHouseError: It can't be answered, or does something else than to read.
    """
    try:
        reading = reading_statement(clickhouse, statement)
        if not reading.startswith("EXPLAIN "):
            return clickhouse.text(reading, form)
        # A format that follows it belongs to the statement that is explained. So its lines are asked for again.
        lines = [line for (line,) in clickhouse.rows(reading)[1]]
        return clickhouse.text("SELECT arrayJoin({lines:Array(String)}) AS explain", form, {"lines": lines})
    except ClickHouseError as error:
        said = str(error)
        # A name that isn't known is a slip of the person's, as long as the platform's databases are there.
        if not _NO_DATABASE.search(said):
            said = said.removesuffix(f" {INIT_HINT}")
        raise ClickHouseError(said, retryable=error.retryable) from None
