"""Plot of indicators against what attacks really got: a panel for each indicator, a color for each attack."""

import io
import math
import textwrap
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from fedleak.io.atomic import write_atomically
from fedleak.profile.indicators import Indicator
from fedleak.profile.prediction import Point, Prediction
from fedleak.statistics.correlation import Correlation

COLUMNS, ROW = 3, 2.85
"""Panels side by side, and the height of a row of them in inches."""
COLORS = ("#2b6cb0", "#c05621", "#2f855a", "#805ad5", "#b83280", "#718096")
MARKERS = "osD^vP*X<>"
DOTS = 130


def draw_prediction(prediction: Prediction, title: str, path: Path) -> Path:
    """Writes the picture whole; raises `OutputError` where it cannot be written."""
    shown = prediction.varying_indicators()
    rows = max(1, math.ceil(len(shown) / COLUMNS))
    legend = 0.24 * (1 + max(len(prediction.attacks), len(prediction.tasks)))
    height = 0.8 + rows * ROW + legend + 0.2
    figure = Figure(figsize=(11.5, height), dpi=DOTS, facecolor="white")
    FigureCanvasAgg(figure)
    gain = f"{prediction.metric} beyond the better blind guess" + (f", {prediction.unit}" if prediction.unit else "")
    figure.text(0.015, 1 - 0.15 / height, f"Do the indicators foretell the attacks? {title}", weight="bold", va="top")
    figure.text(0.015, 1 - 0.42 / height, f"upwards: {gain}; a point is one attack on one message", fontsize=9,
                color="#555555", va="top")  # fmt: skip
    for place, indicator in enumerate(shown):
        row, column = divmod(place, COLUMNS)
        bottom = (height - 0.8 - (row + 1) * ROW + 0.62) / height
        axes = figure.add_axes((0.055 + column * 0.325, bottom, 0.265, 1.8 / height))
        _panel(axes, prediction, indicator)
    _legend(figure, prediction, height)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return write_atomically(path, buffer.getvalue())


def correlation_words(correlation: Correlation) -> str:
    """`+0.82 [+0.41, +0.95]`, or why there is no interval."""
    if math.isnan(correlation.value):
        return "does not vary"
    interval = correlation.interval
    beside = interval.method if math.isnan(interval.low) else f"[{interval.low:+.2f}, {interval.high:+.2f}]"
    return f"{correlation.value:+.2f} {beside}"


def _panel(axes: Axes, prediction: Prediction, indicator: Indicator) -> None:
    for series, attack in enumerate(prediction.attacks):
        for task in prediction.tasks:
            points = [p for p in prediction.points if (p.attack, p.task) == (attack, task) and _drawable(p, indicator)]
            axes.scatter(
                [p.values[indicator.name] for p in points], [p.gain for p in points], s=20, alpha=0.75, lw=0,
                color=_color(series), marker=_marker(prediction, task),
            )  # fmt: skip
    axes.axhline(0, color="#bbbbbb", lw=0.8, zorder=0)
    if indicator.log:
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("\n".join(textwrap.wrap(indicator.words, 46)), fontsize=8.5)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    for series, attack in enumerate(prediction.attacks):
        words = correlation_words(prediction.correlation(indicator, attack))
        axes.text(0.0, 1.03 + 0.09 * (len(prediction.attacks) - 1 - series), f"rho {words}", fontsize=8,
                  color=_color(series), transform=axes.transAxes)  # fmt: skip


def _legend(figure: Figure, prediction: Prediction, height: float) -> None:
    for series, attack in enumerate(prediction.attacks):
        figure.text(0.055, (0.15 + 0.24 * series) / height, f"■ {attack}", fontsize=9, color=_color(series))
    tasks = prediction.tasks
    axes = figure.add_axes((0.38, 0.05 / height, 0.6, 0.24 * (len(tasks) + 0.5) / height))
    axes.set_axis_off()
    axes.set_xlim(0, 10)
    axes.set_ylim(-0.5, len(tasks))
    for place, task in enumerate(tasks):
        axes.scatter([0.2], [place], s=24, color="#555555", lw=0, marker=_marker(prediction, task))
        axes.text(0.5, place, task, fontsize=9, va="center", color="#333333")


def _drawable(point: Point, indicator: Indicator) -> bool:
    value = point.values[indicator.name]
    return math.isfinite(value) and (value > 0 or not indicator.log)


def _marker(prediction: Prediction, task: str) -> str:
    return MARKERS[prediction.tasks.index(task) % len(MARKERS)]


def _color(series: int) -> str:
    return COLORS[series % len(COLORS)]
