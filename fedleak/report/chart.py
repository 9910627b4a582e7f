"""Axes, ticks and places of labels: the geometry of the page's charts, which the templates draw as SVG."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fedleak.formatting import MINUS


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A place on an axis with its label."""

    at: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Maps values from `low` to `high` onto places from `start` to `end`; `log` by their logarithm."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """The place of a value, held within the axis."""
        low, high, value = (math.log10(v) if self.log else v for v in (self.low, self.high, max(value, self._least)))
        share = (value - low) / (high - low) if high > low else 0.5
        return round(self.start + min(max(share, 0.0), 1.0) * (self.end - self.start), 1)

    def ticks(self, about: int = 4) -> list[Tick]:
        """Round values within the axis."""
        values = _decades(self.low, self.high) if self.log else _steps(self.low, self.high, about)
        return [Tick(at=self.at(value), label=_label(value)) for value in values]

    @property
    def _least(self) -> float:
        return self.low if self.log else -math.inf


@dataclass(frozen=True, kw_only=True)
class Label:
    """Words beside a line's end or a point, moved apart from the others."""

    text: str
    series: int
    """Which colour and dash."""
    x: float
    y: float
    """Where what it names ends."""
    label_y: float


def axis_over(
    values: Iterable[float], start: float, end: float, *, log: bool = False, margin: float = 0.05
) -> Axis | None:
    """An axis that all finite values fit on; None where there is none."""
    known = [value for value in values if math.isfinite(value) and (value > 0 or not log)]
    if not known:
        return None
    low, high = min(known), max(known)
    if log:
        return Axis(low=low * 0.9, high=high * 1.1, start=start, end=end, log=True)
    room = margin * (high - low) if high > low else 0.5 * abs(high) or 0.5
    return Axis(low=low - room, high=high + room, start=start, end=end)


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


def path_through(points: Iterable[tuple[float, float]]) -> str:
    """The `d` of an SVG path from point to point."""
    return "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _steps(low: float, high: float, about: int) -> list[float]:
    rough = (high - low) / max(about, 1)
    if rough <= 0:
        return [low]
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * times for times in (1, 2, 5, 10) if size * times >= rough)
    return [round(i * step, 12) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _decades(low: float, high: float) -> list[float]:
    """Powers of ten; with 2 and 5 between them where the axis is short."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    leading = (1,) if math.log10(high / low) > 1.5 else (1, 2, 5)
    values = [times * 10.0**exponent for exponent in exponents for times in leading]
    return [value for value in values if low <= value <= high]


def _label(value: float) -> str:
    if value == 0:
        return "0"
    if abs(value) >= 1000 or abs(value) < 0.001:
        return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e").replace("-", MINUS)
    return f"{value:g}".replace("-", MINUS)
