"""Reading a page as its readers do: headings, tiles, tables, pictures."""

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Parsed(HTMLParser):
    """What a page holds.

    Attributes:
        tables: Rows of cells, the head first, by caption.
        tiles: The number and the note under it, by name; the last of a name counts.
        every_tile: The same of all tiles, in order.
        svgs: For every chart its `aria-labelledby`.
        ids: All ids.
        text: All text that is read.
        fetched: Whatever a browser would fetch.
    """

    tables: dict[str, list[list[str]]] = field(default_factory=dict)
    tiles: dict[str, tuple[str, str]] = field(default_factory=dict)
    every_tile: list[tuple[str, str]] = field(default_factory=list)
    svgs: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    text: str = ""
    fetched: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, html: str) -> "Parsed":
        page = cls()
        page.feed(html)
        page.close()
        return page

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[str] = []
        self._cells: list[str] = []
        self._rows: list[list[str]] = []
        self._caption = ""

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "svg":
            self.svgs.append(given.get("aria-labelledby", ""))
        self.fetched += [
            f"{tag} {name}={value}" for name, value in attrs
            if name in ("src", "href", "xlink:href", "action", "srcset") and not str(value).startswith(("#", "data:"))
        ]  # fmt: skip
        if tag == "script":
            self.fetched.append(tag)
        if tag == "table":
            self._rows, self._caption = [], ""
        if tag == "tr":
            self._cells = []
        if tag in ("td", "th"):
            self._cells.append("")
        if tag in ("dt", "dd"):
            self._tile = [*getattr(self, "_tile", []), ""] if tag == "dd" else [""]
        if tag not in ("meta", "link", "br"):
            self._open.append(tag)

    def handle_endtag(self, tag):
        if tag in self._open:
            while self._open.pop() != tag:
                pass
        if tag == "tr":
            self._rows.append(self._cells)
        if tag == "table":
            self.tables[self._caption] = self._rows
        if tag == "dd" and len(self._tile) == 3:
            self.tiles[self._tile[0]] = (self._tile[1], self._tile[2])
            self.every_tile.append(self.tiles[self._tile[0]])

    def handle_data(self, data):
        where = self._open[-1] if self._open else ""
        if where == "style":
            return
        self.text += data
        if where in ("td", "th"):
            self._cells[-1] += data
        if where == "caption":
            self._caption += data
        if where in ("dt", "dd"):
            self._tile[-1] += data
