"""`bionicpro query`."""

import json
import math
import re
from typing import Any

from bionicpro_assets.alerts.text import counted
from bionicpro_assets.cli.console import console, table
from bionicpro_assets.databases import reader_of
from bionicpro_assets.errors import ClickHouseError
from bionicpro_assets.load.clickhouse import INIT_HINT, ClickHouse
from bionicpro_assets.load.reading import reading_statement
from bionicpro_assets.settings import Settings

_NO_DATABASE = re.compile(r"Database (?:reports|storage|quarantine|staging) does not exist")


def run_query(statement: str, *, as_json: bool) -> None:
    """Print the rows of a query that may only read."""
    with asked(Settings.load()) as clickhouse:
        columns, rows = ask(clickhouse, statement)
    if as_json:
        for row in rows:
            found = _plain(dict(zip(columns, row, strict=True)))
            print(json.dumps(found, default=str, ensure_ascii=False, allow_nan=False))  # noqa: T201
        return
    table("", columns, rows)
    console.print(counted(len(rows), "row"), style="dim")


def asked(settings: Settings) -> ClickHouse:
    """ClickHouse as people ask it: read-only, `today()` and DateTime columns in the report time zone."""
    return reader_of(settings, session_timezone=settings.report_timezone)


def ask(clickhouse: ClickHouse, statement: str) -> tuple[list[str], Any]:
    """Columns and rows of a query.

    Raises:
        ClickHouseError: It can't be answered, or does something else than to read.
    """
    try:
        return clickhouse.rows(reading_statement(clickhouse, statement))
    except ClickHouseError as error:
        said = str(error)
        # A name that isn't known is a slip of the person's, as long as the platform's databases are there.
        if not _NO_DATABASE.search(said):
            said = said.removesuffix(f" {INIT_HINT}")
        raise ClickHouseError(said, retryable=error.retryable) from None


def _plain(value: Any) -> Any:
    """The value as JSON has it: no number that is none, and text for every key."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {str(key): _plain(of_key) for key, of_key in value.items()}
        case list() | tuple():
            return [_plain(part) for part in value]
    return value
