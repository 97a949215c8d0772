"""What all commands print with. Colour and cut lines are for a terminal; a file or a pipe gets neither."""

import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bionicpro_assets.cli.visible import visible

# Without a terminal rich takes 80 columns, and cuts sentences into lines that no script finds again.
COLUMNS_OF_A_FILE = 240
GAP = "  "
_NUMBER = re.compile(r"(Nullable\()?(U?Int|B?Float|Decimal)")


class _Console(Console):
    def render_str(self, text: str, **options: Any) -> Text:
        """A plain text, wherever it stands; of a `Text`, whoever makes it takes care."""
        return super().render_str(visible(text), **options)

    def on_broken_pipe(self) -> NoReturn:
        """Rich ends the process with status 1, which says here that the answer is no."""
        raise BrokenPipeError


def _console() -> Console:
    cut = sys.stdout.isatty() or "COLUMNS" in os.environ
    # What is printed holds data: its brackets and colons are its own, and no markup. A colour is for `Text` to give.
    return _Console(width=None if cut else COLUMNS_OF_A_FILE, markup=False, emoji=False)


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


def show_rows(columns: Sequence[str], types: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
    """Print rows of ClickHouse's own texts: as a table where every line of it fits, else a block for each row.

    Args:
        columns: Their names.
        types: Their types in ClickHouse: numbers stand to the right.
        rows: A text for each column.
        title: What stands above.
    """
    columns, rows = [visible(name) for name in columns], [[visible(text) for text in row] for row in rows]
    widths = [max(map(cell_len, texts)) for texts in zip(columns, *rows, strict=True)]
    in_lines = len(columns) == 1 or not any("\n" in text for row in rows for text in row)
    if title:
        console.print(title, style="bold", highlight=False)
    if in_lines and sum(widths) + len(GAP) * (len(widths) - 1) <= console.width:
        right = [bool(_NUMBER.match(kind)) for kind in types]
        console.print(_line(columns, widths, right), style="bold", highlight=False, soft_wrap=True)
        console.print(GAP.join("─" * width for width in widths), style="dim", soft_wrap=True)
        _write(_line(row, widths, right) for row in rows)
        return
    widest = max(map(cell_len, columns))
    for number, row in enumerate(rows, start=1):
        console.print(f"── row {number} ".ljust(min(console.width, 40), "─"), style="dim", highlight=False)
        below = "\n" + " " * (widest + len(GAP))
        _write(
            f"{name}{' ' * (widest - cell_len(name))}{GAP}{text.replace(chr(10), below)}"
            for name, text in zip(columns, row, strict=True)
        )


def _line(texts: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    cells = []
    for text, width, to_the_right in zip(texts, widths, right, strict=True):
        space = " " * (width - cell_len(text))
        cells.append(space + text if to_the_right else text + space)
    return GAP.join(cells).rstrip()


def _write(lines: Iterable[str]) -> None:
    # Not by rich: of many rows it takes minutes.
    console.file.writelines(f"{line}\n" for line in lines)
