"""Canary scores as normal numbers: an estimate of mu with an exact interval, and epsilon of two normal distributions.

A score is what of a release lies along a canary's direction, times the sign that its coin gave it: N(C, s²), where the
contribution is C long. The other sign would have given N(-C, s²), which is mu = 2 C / s apart.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr, ndtri
from scipy.stats import nct

from fedleak.accounting.gaussian import crossing, epsilon_of

_NOTHING = 1e-9
"""Spread of scores, as a share of their mean, that is rounding and no noise."""
_MANY = 300
"""Scores from which on the normal form of the interval is exact to its third digit, and scipy's of t is not always."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """An estimate with a two-sided interval."""

    value: float
    low: float
    high: float

    def of(self, function: Callable[[float], float]) -> "Estimate":
        """An increasing function of what is estimated."""
        return Estimate(value=function(self.value), low=function(self.low), high=function(self.high))

    def epsilon(self, delta: float) -> "Estimate":
        """Of a mu, the epsilon."""
        return self.of(lambda mu: epsilon_of(delta, mu))


def estimated_mu(signed: Float[np.ndarray, " scores"], confidence: float) -> Estimate:
    """mu of one release from independent scores of it, each times its canary's sign; infinite where there is no noise.

    Exact for normal scores: mean over standard deviation is noncentral t. Never below 0, as mu is.
    """
    count = len(signed)
    if count < 2:
        raise ValueError(f"expected two scores or more, got {count}")
    mean, spread = float(signed.mean()), float(signed.std(ddof=1))
    if spread <= _NOTHING * abs(mean):
        certain = math.inf if mean > 0 else 0.0
        return Estimate(value=certain, low=certain, high=certain)
    ratio, each = mean / spread, (1 - confidence) / 2
    low, high = _ratio_at(ratio, count, 1 - each), _ratio_at(ratio, count, each)
    return Estimate(value=max(0.0, 2 * ratio), low=max(0.0, 2 * low), high=max(0.0, 2 * high))


def least_mu(signed: Float[np.ndarray, " scores"], confidence: float) -> float:
    """mu of one release is at least this."""
    return estimated_mu(signed, 2 * confidence - 1).low


def releases_for(mu: float, share: float) -> int:
    """How many scores make the standard error of an estimate of mu this share of it."""
    return math.ceil((4 / mu**2 + 0.5) / share**2)


def _ratio_at(ratio: float, count: int, quantile: float) -> float:
    """The mean in units of the standard deviation at which what was found is this quantile of what could be."""
    if count > _MANY:
        return ratio - float(ndtri(quantile)) * math.sqrt((1 + ratio**2 / 2) / count)
    root = math.sqrt(count)
    wide = (8 + abs(ratio)) / root * 4 + abs(ratio)
    return crossing(lambda place: float(nct.cdf(ratio * root, count - 1, place * root)) - quantile, -wide, wide, 1e-9)


@dataclass(frozen=True, kw_only=True)
class Normal:
    """A normal distribution."""

    mean: float
    std: float


def epsilon_between(one: Normal, other: Normal, delta: float) -> float:
    """The least epsilon at which two normal distributions of different spread are (epsilon, delta)-close, both ways.

    Source: how the one-shot estimator turns cosines into epsilon, https://arxiv.org/abs/2302.03098, section 4.
    """
    if one.std <= 0 or other.std <= 0:
        return math.inf if one != other else 0.0

    def excess(epsilon: float) -> float:
        return max(_hockey_stick(one, other, epsilon), _hockey_stick(other, one, epsilon)) - delta

    if excess(0.0) <= 0:
        return 0.0
    high = 1.0
    while excess(high) > 0:
        high *= 2
    return crossing(excess, 0.0, high, 1e-9)


def one_shot_epsilon(cosines: Float[np.ndarray, " canaries"], dimension: int, delta: float) -> float:
    """One-shot estimate: cosines of canaries with what is seen, against N(0, 1/dimension), as of unseen directions.

    `dimension` is that of what is seen; directions are drawn uniformly, so that those that no one sent have such
    cosines. An estimate and no bound; under add-or-remove, where `estimated_mu` is under replace-one. Source:
    Andrew et al. 2023, https://arxiv.org/abs/2302.03098, algorithms 2 and 3.
    """
    seen = Normal(mean=float(cosines.mean()), std=float(cosines.std()))
    return epsilon_between(seen, Normal(mean=0.0, std=dimension**-0.5), delta)


def _hockey_stick(one: Normal, other: Normal, epsilon: float) -> float:
    """`∫ max(p - exp(epsilon) q, 0)`, between or beyond the places where the log ratio of densities is epsilon."""
    square = (1 / other.std**2 - 1 / one.std**2) / 2
    slope = one.mean / one.std**2 - other.mean / other.std**2
    level = (other.mean**2 / other.std**2 - one.mean**2 / one.std**2) / 2 + math.log(other.std / one.std) - epsilon
    if abs(square) < 1e-12 * (abs(slope) + 1e-300):
        if slope == 0:
            return max(0.0, -math.expm1(epsilon)) if level > 0 else 0.0
        sides = [(-level / slope, math.inf) if slope > 0 else (-math.inf, -level / slope)]
    else:
        inner = slope**2 - 4 * square * level
        if inner <= 0:
            return max(0.0, -math.expm1(epsilon)) if square > 0 else 0.0
        roots = sorted((-slope + sign * math.sqrt(inner)) / (2 * square) for sign in (-1, 1))
        sides = [(-math.inf, roots[0]), (roots[1], math.inf)] if square > 0 else [(roots[0], roots[1])]
    masses = [(_mass(one, *side), _mass(other, *side)) for side in sides]
    return math.fsum(p for p, _ in masses) - math.exp(epsilon) * math.fsum(q for _, q in masses)


def _mass(of: Normal, low: float, high: float) -> float:
    low, high = (low - of.mean) / of.std, (high - of.mean) / of.std
    if low > 0:  # the tail, where a difference of values near 1 would have no digits left
        low, high = -high, -low
    return float(ndtr(high) - ndtr(low))
