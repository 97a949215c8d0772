"""The one way to the SQL files under `sql/`."""

import re
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
# Where sql/ and dagster.yaml are: beside the package in the repository and in the image, in it from a wheel.
PROJECT = _PACKAGE if (_PACKAGE / "sql").is_dir() else _PACKAGE.parent
SQL_ROOT = PROJECT / "sql"


@cache
def sql(path: str) -> str:
    """The text of one file, by its path under `sql/`."""
    return (SQL_ROOT / path).read_text(encoding="utf-8")


def scripts(folder: str) -> list[tuple[str, str]]:
    """`(name, text)` of the folder's files, in the order in which they are applied."""
    return [(f.name, f.read_text(encoding="utf-8")) for f in sorted((SQL_ROOT / folder).glob("*.sql"))]


def with_instants(query: str, **instants: datetime) -> str:
    """`query` with every `:name` replaced by the instant of that name, as a PostgreSQL literal."""
    return with_values(query, **instants)


def with_values(query: str, **values: datetime | int | Sequence[datetime] | Sequence[int]) -> str:
    """`query` with every `:name` replaced by the value of that name, as a PostgreSQL literal.

    Instants and whole numbers only, and lists of them: they can be written into SQL without quoting rules. ADBC would
    take them as parameters too, but then fetches row by row instead of by COPY (1.1 to 1.7 times slower, one chunk).
    """
    literals = {name: _literal(value) for name, value in values.items()}
    return re.sub(r":([a-z]+)\b", lambda found: literals.get(found[1], found[0]), query)


def _literal(value: datetime | int | Sequence[datetime] | Sequence[int]) -> str:
    if isinstance(value, datetime):
        return f"TIMESTAMPTZ '{value.isoformat()}'"
    if isinstance(value, int):
        return str(value)
    return f"ARRAY[{', '.join(_literal(item) for item in value)}]"
