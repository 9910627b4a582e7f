"""Composition of Gaussian releases under replace-one: epsilon by dp-accounting, and the noise that an epsilon needs."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from fedleak.accounting.gaussian import crossing, epsilon_of, noise_multiplier_for
from fedleak.accounting.sampling import Sample

_LEAST_NOISE = 0.005
"""Noise multiplier below which no credit is taken for sampling: epsilon is in the thousands there."""
_TOLERANCE = 1e-3
"""Of a noise multiplier, as a share of it."""
ORDERS = (*range(2, 17), 20, 24, 28, 32, 40, 48, 56, 63, 128, 512, 1024)
"""Of the Rényi divergence: some of dp-accounting's own, a fifth of its time; fewer never make epsilon smaller."""


@dataclass(frozen=True, kw_only=True)
class Releases:
    """Some releases alike, each about a sample of its own."""

    noise_multiplier: float
    """Noise as a multiple of the sensitivity under replace-one: twice what one contributes at most."""
    sample: Sample | None = None
    """Who is in a release; None: the same in all of them, or the adversary may see who."""
    count: int = 1


def mu_of(parts: Iterable[Releases]) -> float:
    """How far apart neighbors are after all releases, in units of the noise, where nothing is sampled."""
    squares = [one.count / one.noise_multiplier**2 if one.noise_multiplier else math.inf for one in parts]
    return math.sqrt(math.fsum(squares))


@lru_cache(maxsize=256)
def composed_epsilon(parts: tuple[Releases, ...], delta: float) -> float:
    """All releases together are (epsilon, delta)-private, also where each was chosen by what came before.

    Exact without sampling; with it the lower of that and of an upper bound by Rényi divergence (`sampled_epsilon`).
    """
    exact = epsilon_of(delta, mu_of(parts))
    credit = any(one.sample for one in parts) and min(one.noise_multiplier for one in parts) >= _LEAST_NOISE
    return min(exact, sampled_epsilon(parts, delta)) if credit else exact


def sampled_epsilon(parts: tuple[Releases, ...], delta: float) -> float:
    """An upper bound with credit for sampling without replacement, which holds where one is replaced by another.

    Never too low, and some two to five times what neighbors attain. Source: Wang, Balle and Kasiviswanathan 2019,
    theorem 27, https://arxiv.org/abs/1808.00087.
    """
    # dp-accounting takes a second to import, and only sampling needs it.
    from dp_accounting import NeighboringRelation
    from dp_accounting.rdp import RdpAccountant

    accountant = RdpAccountant(ORDERS, NeighboringRelation.REPLACE_ONE)
    for one in parts:
        accountant.compose(_event(one), one.count)
    return float(accountant.get_epsilon(delta))


def _event(one: Releases) -> Any:
    # dp-accounting's Rényi accountant takes noise as a multiple of the sensitivity under the relation that it is given.
    from dp_accounting import GaussianDpEvent, SampledWithoutReplacementDpEvent

    event = GaussianDpEvent(one.noise_multiplier)
    if one.sample is None:
        return event
    return SampledWithoutReplacementDpEvent(one.sample.population, one.sample.size, event)


@lru_cache(maxsize=64)
def noise_factor_for(epsilon: float, delta: float, parts: tuple[Releases, ...]) -> float:
    """By what the noise of all releases is to be multiplied, so that together they are (epsilon, delta)-private.

    At most a thousandth more than needed; 0 for an infinite epsilon.
    """
    if math.isinf(epsilon):
        return 0.0
    enough = noise_multiplier_for(epsilon, delta) * mu_of(parts)
    if all(one.sample is None for one in parts):
        return enough

    def excess(power: float) -> float:
        factor = math.exp(power)
        noisier = tuple(replace(one, noise_multiplier=factor * one.noise_multiplier) for one in parts)
        # Never 0, where the logarithm would be without a bound.
        return math.log(max(composed_epsilon(noisier, delta), 1e-9) / epsilon)

    high = math.log(enough) + _TOLERANCE
    low = high - math.log(2)
    while excess(low) <= 0:
        low -= math.log(2)
    return math.exp(crossing(excess, low, high, _TOLERANCE))
