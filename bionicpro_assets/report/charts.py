"""Charts as SVG, drawn by matplotlib, and the table that says the same.

Text stays text in the SVG, so that it can be read aloud, searched and copied; its font is the page's. A chart is drawn
twice, wide and narrow: shrunk to the width of a phone, the wide one couldn't be read.
"""

import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bionicpro_assets.report.language import Language

# Each at least 4.5 : 1 on white for text, and told apart by lightness too: for print in grey, and for the colour-blind.
INK, SOFT, GRID = "#1f2933", "#52606d", "#d9e2ec"
BLUE, ORANGE, RED, GREY = "#0b6e99", "#d97a12", "#b3261e", "#9aa5b1"
BAND = "#d3e9f2"
SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"

Width = Literal["wide", "narrow"]
# Inches of 72 points; the page stretches them to its own width.
SIZES: dict[Width, tuple[float, float]] = {"wide": (8.4, 2.7), "narrow": (3.0, 2.25)}
MOST_TICKS: dict[Width, int] = {"wide": 12, "narrow": 5}
# Letters of all names of a legend that stand in one line of a narrow chart.
MOST_LETTERS_BESIDE = 26


@dataclass(frozen=True, slots=True)
class Series:
    """One row of values.

    Attributes:
        name: What it is, with its unit.
        values: A value for each label; None where there is none.
        kind: Bars, which stand on those of the series before, a line, a thin line, or in the table only.
        colour: Its colour.
        digits: Decimals in the table.
    """

    name: str
    values: Sequence[float | None]
    kind: Literal["bar", "line", "thin", "table"]
    colour: str
    digits: int = 0


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart, and all that is needed to say it in words.

    Attributes:
        key: Its name in the page, unique there.
        title: What it shows.
        words: What is to be seen in it, a sentence or two.
        help: How to read it.
        axis: What the labels are.
        labels: One for each value, in full.
        ticks: The same, short.
        series: The values.
        low: Where the vertical axis begins; from the values if None.
        high: Where it ends; from the values if None.
        shaded: Of which labels the data isn't complete.
        shaded_words: What that means.
        band: The usual range, from the lower value to the higher.
    """

    key: str
    title: str
    words: str
    help: str
    axis: str
    labels: Sequence[str]
    ticks: Sequence[str]
    series: Sequence[Series]
    low: float | None = 0
    high: float | None = None
    shaded: Sequence[bool] = ()
    shaded_words: str = ""
    band: tuple[float, float] | None = None

    def table(self, lang: Language) -> list[list[str]]:
        """The numbers: a row a label, its name first."""
        columns = [[lang.number(value, s.digits) for value in s.values] for s in self.series]
        return [[label, *(column[i] for column in columns)] for i, label in enumerate(self.labels)]


def response_axis(values: Sequence[float | None]) -> tuple[float, float]:
    """Where the axis of response times begins and ends: not at 0, so that a tenth more is seen; nor so that 1 ms is."""
    known = [v for v in values if v is not None] or [0.0]
    return min(known) * 0.8 // 10 * 10, (max(known) * 1.15 // 10 + 1) * 10


def draw(chart: Chart, lang: Language, width: Width) -> str:
    """The chart as an `<svg>` element to stand in a page."""
    # Imported here: it takes a third of a second, and most of what imports this package draws nothing.
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    style: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": chart.key,
        "font.family": "sans-serif",
        "font.size": 8,
        "text.color": INK,
        "axes.edgecolor": GRID,
        "axes.labelcolor": SOFT,
        "xtick.color": SOFT,
        "ytick.color": SOFT,
        "axes.axisbelow": True,
    }
    with mpl.rc_context(style):
        figure = Figure(figsize=SIZES[width], layout="constrained")
        FigureCanvasSVG(figure)
        names = sum(len(series.name) for series in chart.series)
        columns = 1 if width == "narrow" and names > MOST_LETTERS_BESIDE else 2
        draw_on(figure.add_subplot(), chart, lang, MOST_TICKS[width], columns)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _for_page(buffer.getvalue(), chart, lang, f"{chart.key}-{width}")


def draw_on(axes: Any, chart: Chart, lang: Language, most_ticks: int, columns: int = 2) -> None:
    """Draw the chart on matplotlib axes, with so many labels at most, and so many columns in the legend."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    places = range(len(chart.labels))
    for i in places:
        if chart.shaded and chart.shaded[i]:
            axes.axvspan(i - 0.5, i + 0.5, color="#e8edf2", lw=0, zorder=0)
    if chart.band:
        axes.axhspan(*chart.band, color=BAND, lw=0, zorder=0.5)
    standing = [0.0] * len(chart.labels)
    drawn = [series for series in chart.series if series.kind != "table"]
    for n, series in enumerate(drawn):
        values = [float("nan") if v is None else float(v) for v in series.values]
        if series.kind == "bar":
            heights = [v if v == v else 0.0 for v in values]
            bars = axes.bar(places, heights, 0.8, bottom=standing, color=series.colour, label=series.name)
            for i, bar in enumerate(bars):
                bar.set_gid(f"bar-{n}-{i}")
            standing = [a + b for a, b in zip(standing, heights, strict=True)]
        else:
            thin = series.kind == "thin"
            axes.plot(
                places, values, color=series.colour, label=series.name, lw=1 if thin else 1.8, ls="--" if thin else "-",
                marker="o" if len(places) <= 62 else None, ms=2 if thin else 3.5,
            )  # fmt: skip
    every = -(-len(chart.ticks) // most_ticks)
    axes.set_xticks(list(places)[::every], list(chart.ticks)[::every])
    axes.set_xlim(-0.6, len(chart.labels) - 0.4)
    axes.set_ylim(chart.low, chart.high)
    axes.grid(axis="y", color=GRID, lw=0.7)
    axes.tick_params(length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=all(s.digits == 0 for s in drawn)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: lang.number(v, _digits(v))))
    if len(drawn) > 1:
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, frameon=False, borderaxespad=0, handlelength=1.2
        )


def _digits(value: float) -> int:
    """As many decimals as a tick has."""
    return next((n for n in range(2) if round(value, n) == round(value, 6)), 2)


def _for_page(text: str, chart: Chart, lang: Language, prefix: str) -> str:
    """Matplotlib's file as an element of a page: with a name and a description, ids of its own, and no fixed size."""
    ET.register_namespace("", SVG)
    ET.register_namespace("xlink", XLINK)
    root = ET.fromstring(re.sub(r"<!DOCTYPE[^>]*>", "", text))  # noqa: S314 - drawn a moment ago, by this process
    for metadata in root.findall(f"{{{SVG}}}metadata"):
        root.remove(metadata)
    for size in ("width", "height", "version"):
        root.attrib.pop(size, None)
    for element in list(root.iter()):
        # Its indentation is a fifth of the file.
        if element.text and not element.text.strip():
            element.text = None
        element.tail = None
        if found := re.fullmatch(r"bar-(\d+)-(\d+)", element.get("id", "")):
            element.insert(0, _titled(chart, lang, int(found[1]), int(found[2])))
        for attribute, value in element.attrib.items():
            if attribute == "id":
                element.set(attribute, f"{prefix}-{value}")
            elif attribute.endswith("href"):
                element.set(attribute, re.sub("^#", f"#{prefix}-", value))
            else:
                element.set(attribute, value.replace("url(#", f"url(#{prefix}-"))
    root.set("role", "img")
    # Its title is the heading above it, which is read already.
    root.set("aria-labelledby", f"{prefix}-says")
    says = ET.Element(f"{{{SVG}}}desc", {"id": f"{prefix}-says"})
    says.text = f"{chart.words} {chart.help}"
    name = ET.Element(f"{{{SVG}}}title", {"id": f"{prefix}-name"})
    name.text = chart.title
    root.insert(0, says)
    root.insert(0, name)
    return ET.tostring(root, encoding="unicode")


def _titled(chart: Chart, lang: Language, series: int, place: int) -> ET.Element:
    """What a browser shows when the mouse is over a bar."""
    title = ET.Element(f"{{{SVG}}}title")
    said = [f"{s.name}: {lang.number(s.values[place], s.digits)}" for s in chart.series]
    title.text = f"{chart.labels[place]}. {said[series]}"
    return title
