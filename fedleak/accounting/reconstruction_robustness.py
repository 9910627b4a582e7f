"""The most often that any attack can succeed under a guarantee, given how often one succeeds without the update."""

import math
from collections.abc import Callable

from scipy.special import ndtr, ndtri

GRID = tuple(10 ** (power / 40) for power in range(-120, 114))
"""Epsilons at which a privacy profile is asked, beside 0: 0.001 to 700."""


def gaussian_success(prior: float, shift: float) -> float:
    """`Φ(Φ⁻¹(prior) + shift)`: the highest chance of success of any attack, with any knowledge, on normal noise.

    `shift` is `sqrt(T) / z` for T releases whose noise is z times the contribution (`Guarantee.shift`). The prior at
    0, 1 at infinity; tight. Sources: Hayes et al. 2023, https://arxiv.org/abs/2302.07225; Kaissis et al. 2023,
    https://arxiv.org/abs/2307.03928.
    """
    if prior <= 0:
        return 0.0 if math.isfinite(shift) else 1.0
    if prior >= 1 or math.isinf(shift):
        return 1.0
    return float(ndtr(ndtri(prior) + shift))


def profile_success(prior: float, delta: Callable[[float], float]) -> float:
    """The least `exp(epsilon) prior + delta(epsilon)`: the same for any mechanism by its privacy profile.

    Valid at every epsilon, so also at the best of a grid. Source: Balle et al. 2022,
    https://arxiv.org/abs/2201.04845.
    """
    return min(1.0, *(math.exp(epsilon) * prior + delta(epsilon) for epsilon in (0.0, *GRID)))


def pure_success(prior: float, epsilon: float) -> float:
    """`exp(epsilon) prior`: under pure epsilon-privacy."""
    return min(1.0, math.exp(min(epsilon, 700.0)) * prior)
