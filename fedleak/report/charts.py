"""Charts by matplotlib: lines with their names at their ends, and privacy against accuracy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from matplotlib.ticker import Locator, LogLocator, MaxNLocator, NullLocator, StrMethodFormatter
from matplotlib.transforms import offset_copy

from fedleak.report.convergence import Lines
from fedleak.report.frontier import Frontier, Mark
from fedleak.report.holdings import Holdings
from fedleak.report.svg import INK, PAPER, SERIES, STYLE, inline

WIDTH, HEIGHT = 440.0, 246.0
LEFT, RIGHT, TOP, BOTTOM = 48.0, 264.0, 10.0, 42.0
"""The edges of the axes, from the left, the left, the top and the bottom of the chart."""
POINTS = 72
"""To an inch; at as many dots to an inch, a unit of the chart is a point."""
LEADER = 14.0
"""From the axes to the names beside them."""
LEADING = {
    "arrowstyle": "-",
    "linewidth": 0.8,
    "alpha": 0.6,
    "relpos": (0, 0.5),
    "patchA": None,
    "shrinkA": 4,
    "shrinkB": 0,
}
"""The line from a name to what it names."""
GAP = 15.0
"""Between the middles of two names."""
SIZE = 12.0
"""Of the letters."""
STEPS = (1, 2, 5, 10)
"""What a round value begins with."""
DASHES = ((), (7, 3), (2, 2.5), (9, 3, 2, 3), (4, 2), (1, 3), (12, 3), (5, 2, 1, 2))
"""Told apart without colors too."""
PART, WORDS = "series-{}", "name-{}"
"""What the drawing calls a series and its name: never as a user called it, which could be a name of matplotlib's."""
FIXED = style.context(["default", STYLE | {"font.size": SIZE}])
"""The look is ours, whatever the matplotlibrc of the user."""


@dataclass(frozen=True, kw_only=True)
class Name:
    """Words beside the axes, for what ends at a place within them."""

    text: str
    series: int | None
    """Which color; None for what is no series."""
    x: float
    y: float
    bold: bool = False

    @property
    def font(self) -> FontProperties:
        """Of the words."""
        return FontProperties(size=SIZE, weight="bold" if self.bold else "normal")

    @property
    def color(self) -> str:
        """Of the words and of their leader."""
        return INK if self.series is None else color_of(self.series)


@FIXED
def line_chart(lines: Lines, name: str) -> Markup:
    """A line for each name that has points; `name` is the chart's own, on its page."""
    drawn = [(i, title, points) for i, (title, points) in enumerate(lines.points.items()) if points]
    figure, axes = axes_for(lines.over, len(drawn))
    axes.margins(x=0.0)
    for i, _, points in drawn:
        dashes = (0, DASHES[i % len(DASHES)])
        axes.plot(
            *zip(*points, strict=True),
            gid=PART.format(i),
            color=color_of(i),
            linestyle=dashes,
            linewidth=1.8,
            clip_on=False,
        )
    barred = [(i, own) for i, title, _ in drawn if (own := lines.intervals.get(title))]
    for k, (i, intervals) in enumerate(barred):
        aside = offset_copy(axes.transData, figure, x=5 * (k - (len(barred) - 1) / 2), units="points")
        places, lows, highs = zip(*intervals, strict=True)
        axes.update_datalim([*zip(places, lows, strict=True), *zip(places, highs, strict=True)])
        axes.plot(
            [places] * 2, [lows, highs], color=color_of(i), linewidth=2, alpha=0.6, transform=aside, clip_on=False
        )
    if lines.share:
        axes.set_ylim(0.0, 1.0)
    _ticks(axes, whole=True, log=lines.log)
    if lines.at:
        axes.set_xticks(lines.at)
    _beside(axes, [Name(text=title, series=i, x=points[-1][0], y=points[-1][1]) for i, title, points in drawn])
    description = f"{lines.title} over {lines.over}: a line each for {', '.join(title for _, title, _ in drawn)}"
    return inline(figure, name=name, description=description, titles=titles_of({i: title for i, title, _ in drawn}))


@FIXED
def frontier_chart(frontier: Frontier, name: str) -> Markup:
    """A mark for each defense, more leakage higher up; those on the frontier are filled."""
    figure, axes = axes_for("accuracy of the model", len(frontier.marks) + 1)
    axes.margins(x=0.15)
    for i, mark in enumerate(frontier.marks):
        _mark(axes, mark, i)
    names = [Name(text=mark.name, series=i, x=mark.accuracy, y=mark.leakage, bold=mark.member)
             for i, mark in enumerate(frontier.marks)]  # fmt: skip
    if frontier.guessing is not None:
        axes.axhline(frontier.guessing, color=INK, linewidth=1, linestyle=(0, (3, 3)), zorder=1)
        names.append(Name(text="guessing", series=None, x=axes.get_xlim()[1], y=frontier.guessing))
    if not frontier.higher_is_better:
        axes.invert_yaxis()
    _ticks(axes)
    _beside(axes, names)
    words = [f"{mark.description}{', on the frontier' if mark.member else ''}" for mark in frontier.marks]
    return inline(figure, name=name, description=". ".join(words) + ".", titles=titles_of(dict(enumerate(words))))


@FIXED
def bubble_chart(holdings: Holdings, name: str) -> Markup:
    """A disk for each client and class, its area as many examples; the clients one below the other."""
    clients, classes = len(holdings.counts), len(holdings.counts[0])
    side = min(GAP, (WIDTH - LEFT) / classes)
    height = TOP + BOTTOM + side * clients
    figure = Figure(figsize=(WIDTH / POINTS, height / POINTS), dpi=POINTS)
    where = (LEFT / WIDTH, BOTTOM / height, side * classes / WIDTH, side * clients / height)
    axes = figure.add_axes(where, xlabel="class", ylabel="client")
    axes.set(xlim=(-0.5, classes - 0.5), ylim=(clients - 0.5, -0.5))
    figure.patch.set_visible(False)
    axes.patch.set_visible(False)
    most = max(max(own) for own in holdings.counts)
    held = {(label, client): count for client, own in enumerate(holdings.counts) for label, count in enumerate(own)}
    x, y, counts = zip(*((*place, count) for place, count in held.items() if count), strict=True)
    axes.scatter(x, y, s=[side**2 * count / most for count in counts], color=color_of(2), linewidths=0)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(8, steps=STEPS, integer=True))
    axes.tick_params(bottom=False, left=False)
    description = f"{holdings.title}: how many examples of each class each client holds. {holdings.caption}"
    return inline(figure, name=name, description=description, titles={})


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """The places moved apart by at least `gap`, in their order, within `low` and `high` where they fit."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = dict.fromkeys(order, low)
    floor = low
    for i in order:
        moved[i] = max(places[i], floor)
        floor = moved[i] + gap
    ceiling = high
    for i in reversed(order):
        moved[i] = min(moved[i], ceiling)
        ceiling = moved[i] - gap
    return [round(moved[i], 1) for i in range(len(places))]


def axes_for(over: str, names: int) -> tuple[Figure, Axes]:
    """Empty axes with room for names on their right."""
    height = max(HEIGHT, BOTTOM + TOP + GAP * (names - 1))
    figure = Figure(figsize=(WIDTH / POINTS, height / POINTS), dpi=POINTS)
    place = (LEFT / WIDTH, BOTTOM / height, (RIGHT - LEFT) / WIDTH, (height - TOP - BOTTOM) / height)
    axes = figure.add_axes(place, xlabel=over)
    figure.patch.set_visible(False)
    axes.patch.set_visible(False)
    axes.spines[["left", "top", "right"]].set_visible(False)
    return figure, axes


def _ticks(axes: Axes, *, whole: bool = False, log: bool = False) -> None:
    """Few round values on both axes, and faint lines across."""
    if log:
        axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=STEPS, integer=whole))
    axes.yaxis.set_major_locator(_powers(*axes.get_ylim()) if log else MaxNLocator(4, steps=STEPS))
    faint(axes)


def faint(axes: Axes) -> None:
    """Faint lines across at round values that are told in figures."""
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.tick_params(bottom=False, left=False)
    axes.set_axisbelow(True)
    axes.grid(axis="y", alpha=0.55)


def _powers(low: float, high: float) -> Locator:
    """Powers of ten; with 2 and 5 between them where the axis is short."""
    if high < 5 * low:  # so narrow that a logarithmic locator falls back on as many ticks as it likes
        return MaxNLocator(nbins=5)
    return LogLocator(subs=(1.0,) if high > 30 * low else (1.0, 2.0, 5.0), numticks=6)


def _mark(axes: Axes, mark: Mark, series: int) -> None:
    """A defense with the interval of what leaked."""
    color = color_of(series)
    ends = [[abs(mark.leakage - mark.low)], [abs(mark.high - mark.leakage)]]
    axes.errorbar(
        [mark.accuracy], [mark.leakage], yerr=ends, color=color, elinewidth=1.2, clip_on=False, gid=PART.format(series),
        fmt="o", markersize=9, markeredgewidth=1.6, markerfacecolor=color if mark.member else PAPER,
    )  # fmt: skip


def _beside(axes: Axes, names: Sequence[Name]) -> None:
    """The names on the right of the axes, apart from each other, each with a leader to what it names."""
    axes.autoscale_view()
    height = axes.figure.bbox.height
    depths = [height - float(axes.transData.transform((name.x, name.y))[1]) for name in names]
    for name, depth in zip(names, spread(depths, GAP, TOP, height - BOTTOM), strict=True):
        axes.annotate(
            fitting(name), (name.x, name.y), (RIGHT + LEADER, height - depth), textcoords="figure points",
            gid=WORDS.format(name.series), color=name.color, font=name.font, va="center", zorder=1,
            annotation_clip=False, arrowprops={"color": name.color, **LEADING},
        )  # fmt: skip


def fitting(name: Name, after: float = 0.0) -> str:
    """The name, cut where the chart ends; `after` is what stands before it."""
    text = name.text
    while text_to_path.get_text_width_height_descent(text, name.font, ismath=False)[0] > WIDTH - RIGHT - LEADER - after:
        text = text.rstrip("…")[:-1] + "…"
    return text


def color_of(series: int) -> str:
    return SERIES[series % len(SERIES)]


def titles_of(words: Mapping[int, str]) -> dict[str, str]:
    """What is told of a series where one points at it, or at its name."""
    return {part.format(series): told for series, told in words.items() for part in (PART, WORDS)}
