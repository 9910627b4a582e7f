"""Composition of Gaussian releases: epsilon by dp-accounting, and the noise that an epsilon needs.

Under replace-one, but for those about Poisson samples: under add-or-remove.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

from scipy.optimize import brentq

from fedleak.accounting.gaussian import epsilon_of, noise_multiplier_for
from fedleak.accounting.sampling import Poisson, Sample

_LEAST_NOISE = 0.005
"""Noise multiplier below which no credit is taken for samples of a fixed size: epsilon is in the thousands there."""
LEAST_POISSON_NOISE = 0.05
"""Noise multiplier below which none is taken for Poisson samples: epsilon is in the hundreds there."""
_GRIDS = ((5.0, 1e-4), (40.0, 1e-3), (1e4, 1e-2))
"""Epsilon by moments up to which the losses' own distribution is composed on a grid of such steps."""
_TOLERANCE = 1e-3
"""Of a noise multiplier, as a share of it."""
ORDERS = (*range(2, 17), 20, 24, 28, 32, 40, 48, 56, 63, 128, 512, 1024)
"""Of the Rényi divergence: some of dp-accounting's own, a fifth of its time; fewer never make epsilon smaller."""


@dataclass(frozen=True, kw_only=True)
class Releases:
    """Some releases alike, each about a sample of its own; all that are composed are under the same relation."""

    noise_multiplier: float
    """Noise as a multiple of the sensitivity: twice what one contributes at most (replace-one), of Poisson samples once
    that (add-or-remove)."""
    sample: Sample | Poisson | None = None
    """Who is in a release; None: the same in all of them, or the adversary may see who."""
    count: int = 1


def mu_of(parts: Iterable[Releases]) -> float:
    """How far apart neighbors are after all releases, in units of the noise, where nothing is sampled."""
    squares = [one.count / one.noise_multiplier**2 if one.noise_multiplier else math.inf for one in parts]
    return math.sqrt(math.fsum(squares))


@lru_cache(maxsize=256)
def composed_epsilon(parts: tuple[Releases, ...], delta: float) -> float:
    """All releases together are (epsilon, delta)-private, also where each was chosen by what came before.

    Exact without sampling; with it the lower of that and of an upper bound: by Rényi divergence for samples of a fixed
    size (`sampled_epsilon`), by `poisson_curve` for Poisson samples.
    """
    exact, least = epsilon_of(delta, mu_of(parts)), min(one.noise_multiplier for one in parts)
    if any(isinstance(one.sample, Poisson) for one in parts):
        credit = least >= LEAST_POISSON_NOISE
        return min(exact, poisson_curve(parts, "add-or-remove", delta).epsilon(delta)) if credit else exact
    credit = any(one.sample for one in parts) and least >= _LEAST_NOISE
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
    if not isinstance(one.sample, Sample):
        return event
    return SampledWithoutReplacementDpEvent(one.sample.population, one.sample.size, event)


class Curve:
    """The privacy curve of some releases by one of dp-accounting's accountants."""

    def __init__(self, accountant: Any) -> None:
        self._accountant = accountant

    def epsilon(self, delta: float) -> float:
        return float(self._accountant.get_epsilon(delta))

    def delta(self, epsilon: float) -> float:
        return float(self._accountant.get_delta(epsilon))


@lru_cache(maxsize=64)
def poisson_curve(parts: tuple[Releases, ...], relation: Literal["add-or-remove", "zero-out"], delta: float) -> Curve:
    """Of Poisson samples, by the losses' own distribution, or where its grid would be long by their moments.

    Noise multipliers are multiples of one contribution, whatever the relation. Upper bounds, both; `delta` is about
    where the curve will be read. Source: https://arxiv.org/abs/2106.02848.
    """
    # dp-accounting takes a second to import, and only sampling needs it.
    from dp_accounting import GaussianDpEvent, NeighboringRelation, PoissonSampledDpEvent
    from dp_accounting.pld import PLDAccountant
    from dp_accounting.rdp import RdpAccountant

    theirs = {
        "add-or-remove": NeighboringRelation.ADD_OR_REMOVE_ONE,
        "zero-out": NeighboringRelation.REPLACE_SPECIAL,
    }[relation]
    events = []
    for one in parts:
        event = GaussianDpEvent(one.noise_multiplier)
        sampled = isinstance(one.sample, Poisson) and one.sample.rate < 1
        events.append((PoissonSampledDpEvent(one.sample.rate, event) if sampled else event, one.count))  # type: ignore[union-attr]
    moments = RdpAccountant(ORDERS, theirs)
    for event, count in events:
        moments.compose(event, count)
    rough = float(moments.get_epsilon(delta))
    step = next((step for most, step in _GRIDS if rough < most), None)
    if step is None:
        return Curve(moments)
    losses = PLDAccountant(theirs, value_discretization_interval=step)
    for event, count in events:
        losses.compose(event, count)
    return Curve(losses)


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
        low, high = low - math.log(2), low
    power = float(brentq(excess, low, high, xtol=_TOLERANCE / 2)) + _TOLERANCE / 2
    while excess(power) > 0:  # where one accountant takes the place of another, it is not quite falling
        power += _TOLERANCE / 2
    return math.exp(power)
