"""Neighboring relations: the epsilon of noised sums under each, by the way in which samples are drawn.

What one contributes has a norm of at most C, and the sum has normal noise. Under *zero-out* one contribution becomes
nothing and all else stays: sums are C apart. Under *replace-one* it becomes any other: 2 C apart. Under
*add-or-remove* it was never there: C apart where all others are in a release whoever else is, and more where another
takes its place.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np

from fedleak.accounting.composition import LEAST_POISSON_NOISE, Curve, Releases, poisson_curve, sampled_epsilon
from fedleak.accounting.gaussian import crossing, epsilon_of
from fedleak.accounting.sampling import Poisson, Sample, Sampling, Shuffled

Relation = Literal["add-or-remove", "zero-out", "replace-one"]
RELATIONS: Final[tuple[Relation, ...]] = get_args(Relation)


@dataclass(frozen=True, kw_only=True)
class Noised:
    """Some noised sums alike, each about a sample of its own."""

    noise_multiplier: float
    """Noise of the sum as a multiple of C, the greatest norm of one contribution."""
    sampling: Sampling = None
    count: int = 1


@dataclass(frozen=True, kw_only=True)
class Accounted:
    """An epsilon, and what it is about."""

    epsilon: float
    delta: float
    relation: Relation
    credit: str = ""
    """The kind of samples whose secrecy makes it less, by a theorem; empty: no credit is taken."""
    note: str = ""
    """Why none is taken, where something is sampled."""

    @property
    def terms(self) -> str:
        """`add-or-remove, credit for Poisson samples` or `replace-one, no sampling credit`."""
        return f"{self.relation}, {f'credit for {self.credit}' if self.credit else 'no sampling credit'}"


def accounted(parts: Sequence[Noised], delta: float, relation: Relation) -> Accounted:
    """The least epsilon that is proved of all parts together at a delta, never below what neighbors attain.

    Exact without sampling. Credit is taken where a theorem gives it: for Poisson samples under add-or-remove and
    zero-out (as of a group of two under replace-one), for secret samples of a fixed size under replace-one and
    zero-out, which is a case of it. Sources: https://arxiv.org/abs/1805.06530 (exact), https://arxiv.org/abs/2106.02848
    (Poisson, by dp-accounting), https://arxiv.org/abs/1808.00087 (without replacement).
    """
    parts = [one for one in parts if one.count and not math.isinf(one.noise_multiplier)]
    distances = [(apart(one.sampling, relation), one) for one in parts]
    if any(one.noise_multiplier <= 0 for one in parts):
        return Accounted(epsilon=math.inf, delta=delta, relation=relation)
    mu = math.sqrt(math.fsum(one.count * (distance / one.noise_multiplier) ** 2 for distance, one in distances))
    plain, found, credit = epsilon_of(delta, mu), math.inf, ""
    note = next((words for one in parts if (words := _no_theorem(one.sampling, relation))), "")
    if not note and any(one.sampling is not None for one in parts):
        if min(one.noise_multiplier for one in parts) < LEAST_POISSON_NOISE:
            note = "at so little noise sampling hides nothing"
        else:
            found, credit = _sampled(tuple(parts), delta, relation)
    if found < plain:
        return Accounted(epsilon=found, delta=delta, relation=relation, credit=credit)
    return Accounted(epsilon=plain, delta=delta, relation=relation, note=note)


def apart(sampling: Sampling, relation: Relation) -> float:
    """The greatest distance of neighboring sums in units of C, for one who is known to be in."""
    if relation == "zero-out":
        return 1.0
    if relation == "replace-one":
        return 2.0
    match sampling:
        case Sample():  # another is drawn, or the mean is one over fewer
            return 2.0
        case Shuffled():  # the last of the order takes its place, and is missing from its own batch
            return math.sqrt(5)
    return 1.0


def _no_theorem(sampling: Sampling, relation: Relation) -> str:
    """Why no credit is taken for these samples, "" where there is a theorem or nothing is sampled."""
    if isinstance(sampling, Shuffled):
        return "batches from a shuffled order are no Poisson samples, and the theorems used here give them no credit"
    if isinstance(sampling, Sample) and relation == "add-or-remove":
        return "of samples of a fixed size one who is removed has another in its place"
    return ""


def _sampled(parts: tuple[Noised, ...], delta: float, relation: Relation) -> tuple[float, str]:
    """The epsilon with credit, and for what."""
    if all(isinstance(one.sampling, Poisson | None) for one in parts):
        if relation == "replace-one":
            return poisson_of_two(parts, delta), "Poisson samples, as of a group of two"
        return _curve(parts, relation, delta).epsilon(delta), "Poisson samples"
    if any(isinstance(one.sampling, Poisson) for one in parts):
        return math.inf, ""
    releases = tuple(
        Releases(
            noise_multiplier=one.noise_multiplier / 2,
            sample=one.sampling if isinstance(one.sampling, Sample) else None,
            count=one.count,
        )
        for one in parts
    )
    return sampled_epsilon(releases, delta), "secret samples without replacement"


def poisson_of_two(parts: tuple[Noised, ...], delta: float) -> float:
    """Replaced is removed and added: what is (epsilon, d) once is (2 epsilon, (1 + exp(epsilon)) d) for the two."""
    curve = _curve(parts, "add-or-remove", delta)

    def excess(epsilon: float) -> float:
        return float(np.logaddexp(0.0, epsilon)) + math.log(max(curve.delta(epsilon), 1e-300)) - math.log(delta)

    high = 1.0
    while excess(high) > 0:
        high *= 2
        if high > 1e4:
            return math.inf
    return 2 * crossing(excess, 0.0, high, 1e-4)


def _curve(parts: tuple[Noised, ...], relation: Literal["add-or-remove", "zero-out"], delta: float) -> Curve:
    releases = tuple(
        Releases(
            noise_multiplier=one.noise_multiplier,
            sample=one.sampling if isinstance(one.sampling, Poisson) else None,
            count=one.count,
        )
        for one in parts
    )
    return poisson_curve(releases, relation, delta)
