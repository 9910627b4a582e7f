"""Composition of (subsampled) Gaussian releases: epsilon by dp-accounting, and the noise that an epsilon needs."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from fedleak.accounting.gaussian import crossing, epsilon_of, noise_multiplier_for

_STEP = 5e-4
"""Distance at most between the privacy losses that are told apart, as a share of epsilon."""
_ERROR = 1e-3
"""By what share epsilon may be too high; it is by about the number of releases times the square of the distance."""
_MOST_LOSSES = 1e5
"""About how many losses are told apart at most."""
_LEAST_NOISE = 0.005
"""Noise multiplier below which no credit is taken for sampling: epsilon is in the thousands there."""
_TOLERANCE = 1e-3
"""Of a noise multiplier, as a share of it."""
_ORDERS = (*range(2, 64), *(2**power for power in range(6, 11)))
"""Of the Rényi divergence; whole ones, at which its series are finite."""


@dataclass(frozen=True, kw_only=True)
class Releases:
    """Some releases alike, each about a sample of its own."""

    noise_multiplier: float
    """Noise as a multiple of the sensitivity."""
    sampling_rate: float = 1.0
    """Chance of being in a sample, where the adversary does not see who is (Poisson sampling)."""
    count: int = 1


def mu_of(parts: Iterable[Releases]) -> float:
    """How far apart neighbors are after all releases, in units of the noise, where nothing is sampled."""
    squares = [one.count / one.noise_multiplier**2 if one.noise_multiplier else math.inf for one in parts]
    return math.sqrt(math.fsum(squares))


@lru_cache(maxsize=256)
def composed_epsilon(parts: tuple[Releases, ...], delta: float) -> float:
    """All releases together are (epsilon, delta)-private, also where each was chosen by what came before.

    Exact without sampling; with it an upper bound by the distribution of the privacy loss, less than 1% too high.
    Sources: https://arxiv.org/abs/1908.10530, https://arxiv.org/abs/2106.02848, https://arxiv.org/abs/2207.04380.
    """
    if any(one.noise_multiplier == 0 for one in parts):
        return math.inf
    if all(one.sampling_rate == 1 for one in parts) or min(one.noise_multiplier for one in parts) < _LEAST_NOISE:
        return epsilon_of(delta, mu_of(parts))
    step = _step_for(renyi_epsilon(parts, delta), parts)
    epsilon = _tight_epsilon(parts, delta, step)
    finer = _step_for(epsilon, parts)
    return epsilon if step < 2 * finer else min(epsilon, _tight_epsilon(parts, delta, finer))


def _step_for(epsilon: float, parts: tuple[Releases, ...]) -> float:
    count = sum(one.count for one in parts)
    least = min(one.noise_multiplier for one in parts)
    largest = 0.5 / least**2 + 10 / least  # loss of one release without sampling, but for ten deviations
    return max(largest / _MOST_LOSSES, min(_STEP * epsilon, math.sqrt(_ERROR * epsilon / count)))


def _tight_epsilon(parts: tuple[Releases, ...], delta: float, step: float) -> float:
    # dp-accounting takes a second to import, and only sampling needs it.
    from dp_accounting.pld import PLDAccountant

    accountant = PLDAccountant(value_discretization_interval=step)
    return float(accountant.compose(_event(parts)).get_epsilon(delta))


def renyi_epsilon(parts: tuple[Releases, ...], delta: float) -> float:
    """An upper bound that is less tight and takes no time: by Rényi divergence."""
    from dp_accounting.rdp import RdpAccountant

    return float(RdpAccountant(orders=_ORDERS).compose(_event(parts)).get_epsilon(delta))


def _event(parts: Iterable[Releases]) -> Any:
    from dp_accounting import ComposedDpEvent, GaussianDpEvent, PoissonSampledDpEvent, SelfComposedDpEvent

    return ComposedDpEvent(
        [
            SelfComposedDpEvent(
                PoissonSampledDpEvent(one.sampling_rate, GaussianDpEvent(one.noise_multiplier)), one.count
            )
            for one in parts
        ]
    )


@lru_cache(maxsize=64)
def noise_factor_for(epsilon: float, delta: float, parts: tuple[Releases, ...]) -> float:
    """By what the noise of all releases is to be multiplied, so that together they are (epsilon, delta)-private.

    At most a thousandth more than needed; 0 for an infinite epsilon.
    """
    if math.isinf(epsilon):
        return 0.0
    if all(one.sampling_rate == 1 for one in parts):
        return noise_multiplier_for(epsilon, delta) * mu_of(parts)

    def excess(power: float) -> float:
        factor = math.exp(power)
        noisier = tuple(replace(one, noise_multiplier=factor * one.noise_multiplier) for one in parts)
        # Never 0, where the logarithm would be without a bound.
        return math.log(max(composed_epsilon(noisier, delta), 1e-9) / epsilon)

    high = 0.0
    while excess(high) > 0:
        high += math.log(2)
    low = high - math.log(2)
    while excess(low) <= 0:
        low -= math.log(2)
    return math.exp(crossing(excess, low, high, _TOLERANCE))
