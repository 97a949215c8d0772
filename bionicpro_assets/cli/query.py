"""`bionicpro query`."""

import json
import math
import re
from typing import Any

from bionicpro_assets.alerts.text import counted
from bionicpro_assets.cli.console import console, table
from bionicpro_assets.databases import clickhouse_of
from bionicpro_assets.errors import ClickHouseError
from bionicpro_assets.load.clickhouse import INIT_HINT, ClickHouse
from bionicpro_assets.settings import Settings

# The embedded engine's driver puts the settings into the statement, and ClickHouse quotes it so.
_ADDED = re.compile(r" SETTINGS readonly = '2', session_timezone = '[^']*'(?: FORMAT Native)?")
_NO_DATABASE = re.compile(r"Database (?:reports|storage|quarantine|staging) does not exist")


def run_query(statement: str, *, as_json: bool) -> None:
    """Print the rows of a query that may only read."""
    settings = Settings.load()
    with clickhouse_of(settings) as clickhouse:
        columns, rows = ask(clickhouse, statement, settings)
    if as_json:
        for row in rows:
            found = _plain(dict(zip(columns, row, strict=True)))
            print(json.dumps(found, default=str, ensure_ascii=False, allow_nan=False))  # noqa: T201
        return
    table("", columns, rows)
    console.print(counted(len(rows), "row"), style="dim")


def ask(clickhouse: ClickHouse, statement: str, settings: Settings) -> tuple[list[str], Any]:
    """Columns and rows of a query. `today()` and DateTime columns are in the report time zone."""
    # readonly=2: nothing is written, and the query may still choose settings for itself, but not this one.
    try:
        return clickhouse.rows(statement, settings={"readonly": 2, "session_timezone": settings.report_timezone})
    except ClickHouseError as error:
        said = _ADDED.sub("", str(error))
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
