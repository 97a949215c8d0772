"""What all commands print with. Colour and cut lines are for a terminal; a file or a pipe gets neither."""

import os
import sys
from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

# Without a terminal rich takes 80 columns, and cuts sentences into lines that no script finds again.
COLUMNS_OF_A_FILE = 240


def _console() -> Console:
    cut = sys.stdout.isatty() or "COLUMNS" in os.environ
    # What is printed holds data: its brackets and colons are its own, and no markup. A colour is for `Text` to give.
    return Console(width=None if cut else COLUMNS_OF_A_FILE, markup=False, emoji=False)


console = _console()


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows as a table; numbers to the right."""
    shown = Table(title=title or None, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for i, name in enumerate(columns):
        numeric = bool(rows) and isinstance(rows[0][i], int | float)
        shown.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(_text(value) for value in row))
    console.print(shown)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,.2f}" if isinstance(value, float) else str(value)
