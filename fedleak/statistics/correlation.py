"""Spearman's rank correlation, with an interval that says when there are too few points."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64, Int64
from scipy.special import ndtr, stdtrit

from fedleak.statistics.intervals import CLUSTERS, TAIL, Interval, counted, no_interval, too_few

RESAMPLES = 1_000


@dataclass(frozen=True, kw_only=True)
class Correlation:
    """How well the order of one number foretells that of another. NaN where either does not vary."""

    value: float
    interval: Interval
    points: int
    units: int

    @property
    def sure(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.interval.low > 0 or self.interval.high < 0


def spearman(
    x: Sequence[float],
    y: Sequence[float],
    units: Sequence[object],
    unit: Literal["setting", "message"],
    groups: Sequence[object] | None = None,
) -> Correlation:
    """Spearman's rho with a bootstrap interval over whole units; infinities have ranks, NaN must not come.

    With `groups` ranks are taken within each group: what is left when every group is compared with itself alone.

    Points of one unit, such as messages of one setting, are drawn together. Below five units there is no interval: too
    few. Resamples in which either does not vary say nothing and are left out. As of means the quantiles lie further
    out, as wide as Student's (Hesterberg 2014, https://arxiv.org/abs/1411.5279).
    """
    members, same = _numbered(units), _same(groups or [0] * len(x))
    below = _below(np.array(x, dtype=float), same), _below(np.array(y, dtype=float), same)
    value, count = float(_rho(np.ones((1, len(x))), *below, same)[0]), len(set(units))
    words = counted(count, unit)
    if math.isnan(value):
        interval = no_interval("does not vary")
    elif count < CLUSTERS:
        interval = too_few(words)
    else:
        interval = _interval(_rho(_draws(count)[:, members], *below, same), count, words)
    return Correlation(value=value, interval=interval, points=len(x), units=count)


def expanded_tail(units: int) -> float:
    """The quantile whose distance from a normal's mean, in standard deviations of the resamples, is Student's."""
    return float(ndtr(stdtrit(units - 1, TAIL) * math.sqrt(units / (units - 1))))


def _interval(drawn: Float64[np.ndarray, " resamples"], units: int, words: str) -> Interval:
    known, tail = drawn[np.isfinite(drawn)], expanded_tail(units)
    low, high = np.quantile(known, [tail, 1 - tail]) if len(known) else (math.nan, math.nan)
    return Interval(low=float(low), high=float(high), method=f"bootstrap over {words}")


def _rho(
    counts: Float64[np.ndarray, "resamples points"],
    below_x: Float64[np.ndarray, "points points"],
    below_y: Float64[np.ndarray, "points points"],
    same: Float64[np.ndarray, "points points"],
) -> Float64[np.ndarray, " resamples"]:
    """The correlation of the ranks where each point comes `counts` times; NaN where either does not vary.

    Ranks are within each group and about its mean, as a share of its points.
    """
    sizes = np.maximum(counts @ same, 1.0)
    x, y = ((counts @ below.T - sizes / 2) / sizes for below in (below_x, below_y))
    norms = np.sqrt((counts * x * x).sum(1) * (counts * y * y).sum(1))
    together = (counts * x * y).sum(1)
    rho: Float64[np.ndarray, " resamples"] = np.full(len(counts), math.nan)
    np.divide(together, norms, out=rho, where=norms > 1e-12)
    return rho


def _below(
    values: Float64[np.ndarray, " points"], same: Float64[np.ndarray, "points points"]
) -> Float64[np.ndarray, "points points"]:
    """1 where the second point of a pair has the lower value, 1/2 where they are equal, 0 across groups.

    Summed over the second point these are the ranks, with the mean rank for equal values.
    """
    first, second = values[:, None], values[None, :]
    below: Float64[np.ndarray, "points points"] = same * ((second < first) + 0.5 * (second == first))
    return below


def _same(groups: Sequence[object]) -> Float64[np.ndarray, "points points"]:
    numbers = _numbered(groups)
    same: Float64[np.ndarray, "points points"] = np.equal(numbers[:, None], numbers[None, :]).astype(float)
    return same


def _draws(units: int) -> Float64[np.ndarray, "resamples units"]:
    """How often each unit is drawn in each resample; the same each time."""
    drawn = np.random.default_rng(units).integers(units, size=(RESAMPLES, units))
    places = (drawn + units * np.arange(RESAMPLES)[:, None]).ravel()
    return np.bincount(places, minlength=RESAMPLES * units).reshape(RESAMPLES, units).astype(float)


def _numbered(words: Sequence[object]) -> Int64[np.ndarray, " points"]:
    numbers = {one: number for number, one in enumerate(dict.fromkeys(words))}
    return np.array([numbers[one] for one in words], dtype=np.int64)
