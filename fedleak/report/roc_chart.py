"""ROC charts: what is found over how many false alarms it takes, from few on, with a key beside the axes."""

from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator

from fedleak.report.charts import (
    DASHES,
    FIXED,
    GAP,
    LEADER,
    PART,
    RIGHT,
    TOP,
    WORDS,
    Name,
    axes_for,
    color_of,
    faint,
    fitting,
    titles_of,
)
from fedleak.report.convergence import Lines
from fedleak.report.svg import inline

SAMPLE = 24.0
"""Of a line, before its name."""


@FIXED
def roc_chart(lines: Lines, name: str) -> Markup:
    """A curve for each name that has points. All end in one corner, so names stand beside a piece of their line."""
    drawn = [(i, title, points) for i, (title, points) in enumerate(lines.points.items()) if points]
    figure, axes = axes_for(lines.over, len(drawn))
    for i, _, points in drawn:
        axes.plot(*zip(*points, strict=True), gid=PART.format(i), clip_on=False, **_style(i))
    _from(axes, lines.lowest or 0.01, share=lines.share)
    for place, (i, title, _) in enumerate(drawn):
        _in_key(axes, Name(text=title, series=i, x=1.0, y=1.0), i, place)
    description = f"{lines.title} over {lines.over}: a line each for {', '.join(title for _, title, _ in drawn)}"
    return inline(figure, name=name, description=description, titles=titles_of({i: title for i, title, _ in drawn}))


def _style(series: int) -> dict[str, Any]:
    return {"color": color_of(series), "linestyle": (0, DASHES[series % len(DASHES)]), "linewidth": 1.8}


def _from(axes: Axes, lowest: float, *, share: bool) -> None:
    """The horizontal axis logarithmic from the lowest value to 1; the other too, or as shares from none to all."""
    axes.set(xscale="log", xlim=(lowest, 1.0), ylim=(0.0 if share else lowest, 1.0))
    axes.xaxis.set_major_locator(LogLocator(numticks=6))
    if share:
        axes.yaxis.set_major_locator(MaxNLocator(4))
    else:
        axes.set_yscale("log")
        axes.set_ylim(lowest, 1.0)
        axes.yaxis.set_major_locator(LogLocator(numticks=6))
    faint(axes)


def _in_key(axes: Axes, name: Name, series: int, place: int) -> None:
    """A piece of the line and its name, below those before."""
    figure = axes.figure
    width, height = figure.bbox.width, figure.bbox.height
    up, left = 1 - (TOP + GAP * place) / height, (RIGHT + LEADER) / width
    figure.add_artist(Line2D([left, left + SAMPLE / width], [up, up], transform=figure.transFigure, **_style(series)))
    axes.annotate(
        fitting(name, SAMPLE + LEADER / 2), (RIGHT + LEADER + SAMPLE + LEADER / 2, height - TOP - GAP * place),
        xycoords="figure points", gid=WORDS.format(series), color=name.color, font=name.font, va="center",
        annotation_clip=False,
    )  # fmt: skip
