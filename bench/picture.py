"""The picture of a refresh: time and memory of every competitor, as multiples of this platform's."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl

from bench.measure import Result
from bench.refresh import OURS, WHERE

mpl.use("svg")
# Text stays text, and two drawings of the same numbers are the same file.
mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "bionicpro", "font.family": "sans-serif", "font.size": 10})
PLAIN, MARKED = "#9aa5b1", "#0b6e4f"


def draw(found: Mapping[str, Result], title: str, file: Path) -> None:
    """Two rows of bars into an SVG file."""
    import matplotlib.pyplot as plt

    names = [name for name in found if name != WHERE][::-1]
    figure, axes = plt.subplots(1, 2, figsize=(11, 0.42 * len(names) + 1.4), sharey=True, layout="constrained")
    for axis, label, values in (
        (axes[0], "time / ours (logarithmic)", [found[n].seconds / found[OURS].seconds for n in names]),
        (axes[1], "peak memory / ours", [found[n].peak_mib / found[OURS].peak_mib for n in names]),
    ):
        bars = axis.barh(names, values, color=[MARKED if n.startswith(OURS) else PLAIN for n in names])
        axis.bar_label(bars, fmt="%.2f", padding=3)
        axis.set_xlabel(label)
        axis.spines[["top", "right"]].set_visible(False)
        axis.margins(x=0.18)
    axes[0].set_xscale("log")
    figure.suptitle(title)
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)
