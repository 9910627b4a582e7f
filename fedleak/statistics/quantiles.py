"""Quantiles over the samples of many messages, with their confidence intervals."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64
from scipy.special import bdtr

from fedleak.results.row import Row
from fedleak.statistics.group import bounds_of
from fedleak.statistics.intervals import TAIL, Interval, Units, too_few

EXACT = 1e-12
"""Rounding that may not keep a rank out whose probability is the bound itself."""


def percentile_interval(rows: Sequence[Row], percentile: float) -> Interval:
    """Of a percentile over samples, whatever their distribution: two of the ordered samples, counted by units.

    How many of `n` units lie below a quantile has a binomial law, so the ranks need no resampling and are right for few
    units too; where even the outermost one is not far enough out, the metric's own bound is. Units of many samples are
    judged as if all samples of a unit were on one side of the quantile: wider than needed. Limit: where a few units
    hold most of the samples, there are in truth fewer than it counts. Source: David and Nagaraja 2003, "Order
    Statistics", ch. 7, https://doi.org/10.1002/0471722162.
    """
    scored = [row for row in rows if any(map(math.isfinite, row.per_sample))]
    samples = np.array([value for row in scored for value in row.per_sample if math.isfinite(value)])
    units = Units.of([row.value for row in scored], [row.seed for row in scored])
    if not scored:
        return too_few(str(units))
    lower, upper = ranks(len(units), percentile / 100)
    least, most = bounds_of(scored[0].metric, scored)
    return Interval(
        low=least if lower == 0 else _below(samples, lower, len(units)),
        high=most if upper > len(units) else _above(samples, upper, len(units)),
        method=f"order statistics over {units}{_open(lower == 0, upper > len(units))}",
    )


def tail(samples: Sequence[float], *, higher_is_better: bool) -> float:
    """What 95 of 100 samples leak at most: the 95th percentile, or the 5th where a lower value leaks more."""
    return float(np.percentile(samples, 95 if higher_is_better else 5)) if len(samples) else math.nan


def ranks(units: int, level: float) -> tuple[int, int]:
    """The ranks, from 1, between which the quantile lies; 0 and `units + 1` where no unit is far enough out.

    With 97.5% each, at least as many units as the lower rank lie below the quantile, and fewer than the upper; of such
    ranks they are the closest.
    """
    at_most = np.array([0.0, *bdtr(np.arange(units), units, level), 1.0])  # of -1, 0, ..., units
    fewer = at_most[:-1]  # than 0, 1, ..., units
    lower = int(np.flatnonzero(1 - fewer >= 1 - TAIL - EXACT).max())
    upper = int(np.flatnonzero(at_most[1:] >= 1 - TAIL - EXACT).min()) + 1
    return lower, upper


def _below(samples: Float64[np.ndarray, " samples"], rank: int, units: int) -> float:
    if len(samples) == units:
        return float(np.sort(samples)[rank - 1])
    return float(np.quantile(samples, (rank - 1) / units, method="lower"))


def _above(samples: Float64[np.ndarray, " samples"], rank: int, units: int) -> float:
    if len(samples) == units:
        return float(np.sort(samples)[rank - 1])
    return float(np.quantile(samples, rank / units, method="higher"))


def _open(below: bool, above: bool) -> str:
    sides = [side for side, is_open in (("below", below), ("above", above)) if is_open]
    bounds = "bounds" if len(sides) > 1 else "bound"
    return f", open {' and '.join(sides)} to the metric's {bounds}" if sides else ""
