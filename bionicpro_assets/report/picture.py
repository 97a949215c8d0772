"""The picture of a day, for the metadata of its materialisation: the fleet by hour, without a name."""

import base64
import io
from collections.abc import Sequence

from bionicpro_assets.report.charts import BLUE, ORANGE, RED, Chart, Series, draw_on, response_axis
from bionicpro_assets.report.language import language
from bionicpro_assets.report.measures import Measures

# Inches and dots an inch: sharp enough in the UI, and some 20 KB in the event.
SIZE, DPI = (7.2, 5.4), 100


def day_picture(by_hour: Sequence[Measures], title: str) -> str:
    """Movements, response time and errors by hour of the day, as Markdown with the picture in it."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lang, hours = language("en"), [str(hour) for hour in range(24)]

    def chart(series: list[Series], low: float = 0, high: float | None = None) -> Chart:
        return Chart("picture", "", "", "", "", hours, hours, series, low=low, high=high)

    response = [m.response_time for m in by_hour]
    panels = {
        "Movements": chart(
            [
                Series("succeeded", [m.successful for m in by_hour], "bar", BLUE),
                Series("did not succeed", [m.movements - m.successful for m in by_hour], "bar", ORANGE),
            ]
        ),
        "Response time, ms": chart([Series("response", response, "line", BLUE, 1)], *response_axis(response)),
        "Seconds with an error": chart([Series("errors", [m.errors for m in by_hour], "bar", RED)]),
    }
    with mpl.rc_context({"font.size": 9, "axes.axisbelow": True}):
        figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(title, fontsize=11)
        for axes, (name, panel) in zip(figure.subplots(len(panels), 1, sharex=True), panels.items(), strict=True):
            draw_on(axes, panel, lang, 24)
            axes.set_ylabel(name)
        buffer = io.BytesIO()
        # A palette of few colours is a third of the size, and nobody sees the difference.
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return f"![{title}: movements, response time and errors by hour](data:image/png;base64,{_small(buffer.getvalue())})"


def _small(png: bytes) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        image.convert("RGB").quantize(64).save(buffer, format="PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()
