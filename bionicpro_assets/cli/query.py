"""`bionicpro query`."""

import json
from typing import Any

from bionicpro_assets.cli.console import console, table
from bionicpro_assets.databases import clickhouse_of
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.settings import Settings


def run_query(statement: str, *, as_json: bool) -> None:
    """Print the rows of a query that may only read."""
    settings = Settings.load()
    with clickhouse_of(settings) as clickhouse:
        columns, rows = ask(clickhouse, statement, settings)
    if as_json:
        for row in rows:
            print(json.dumps(dict(zip(columns, row, strict=True)), default=str, ensure_ascii=False))  # noqa: T201
        return
    table("", columns, rows)
    console.print(f"{len(rows)} rows", style="dim")


def ask(clickhouse: ClickHouse, statement: str, settings: Settings) -> tuple[list[str], Any]:
    """Columns and rows of a query. `today()` and DateTime columns are in the report time zone."""
    # readonly=2: nothing is written, and the query may still choose settings for itself, but not this one.
    return clickhouse.rows(statement, settings={"readonly": 2, "session_timezone": settings.report_timezone})
