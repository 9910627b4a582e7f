"""Analytic Gaussian mechanism: its exact privacy profile, and the least noise for a guarantee."""

import math
from collections.abc import Callable
from functools import lru_cache

from scipy.special import log_ndtr

_LEAST, _MOST = 1e-12, 1e16
"""Between which noise multipliers are looked for."""


def delta_of(epsilon: float, mu: float) -> float:
    """The least delta at which telling N(0, 1) from N(mu, 1) is (epsilon, delta)-private.

    `Φ(mu/2 - epsilon/mu) - exp(epsilon) Φ(-mu/2 - epsilon/mu)`, exact at any epsilon >= 0; T releases of noise
    multiplier z have `mu = sqrt(T) / z`. Source: Balle and Wang 2018, https://arxiv.org/abs/1805.06530.
    """
    if mu == 0 or math.isinf(epsilon):
        return 0.0
    if math.isinf(mu):
        return 1.0
    log_one = _log_phi(mu / 2 - epsilon / mu)
    log_other = epsilon + _log_phi(-mu / 2 - epsilon / mu)
    return -math.exp(log_one) * math.expm1(min(log_other - log_one, 0.0))


def epsilon_of(delta: float, mu: float) -> float:
    """The least epsilon at a delta above 0; infinite where the two cases can be told apart for certain."""
    if math.isinf(mu):
        return math.inf
    if delta_of(0.0, mu) <= delta:
        return 0.0
    # Φ(mu/2 - epsilon/mu) alone is below any delta that a float holds from here on.
    return crossing(lambda epsilon: delta_of(epsilon, mu) - delta, 0.0, mu * (mu / 2 + 40.0))


@lru_cache(maxsize=256)
def noise_multiplier_for(epsilon: float, delta: float, releases: int = 1) -> float:
    """The least noise, as a multiple of the sensitivity, at which so many releases are (epsilon, delta)-private.

    0 for an infinite epsilon. The classical `sqrt(2 log(1.25/delta)) / epsilon` holds for epsilon <= 1 only, and is
    more than needed there. Source: the analytic Gaussian mechanism, https://arxiv.org/abs/1805.06530.
    """
    if math.isinf(epsilon):
        return 0.0
    power = crossing(lambda power: delta_of(epsilon, math.exp(-power)) - delta, math.log(_LEAST), math.log(_MOST))
    return math.sqrt(releases) * math.exp(power)


def crossing(falling: Callable[[float], float], low: float, high: float, tolerance: float = 0.0) -> float:
    """The least place known to be at or below zero, at most `tolerance` above the crossing; 0 is as near as floats get.

    The function is above zero at `low` and not at `high`.
    """
    while high - low > tolerance:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return high


def _log_phi(place: float) -> float:
    """`log Φ`, also where Φ is below what a float holds."""
    return float(log_ndtr(place))
