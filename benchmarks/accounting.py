"""Epsilon under each relation against other accountants on random settings, with every disagreement named.

    python benchmarks/accounting.py [--settings N] [--seed SEED]

A setting is a relation, a kind of samples, noise (as a multiple of the clipping norm), releases, and delta. What
`fedleak.accounting.relations` says of it is held against dp-accounting's accountants of privacy losses and of moments,
and against Flower's own. Ours may never be below what neighbors attain: that is the losses' own distribution where an
accountant knows it for these samples, else a pair of neighbors that it knows. Moments are bounds from above, so that
ours may be below those. A disagreement beyond 1% has to have one of the `NAMES`, each of which is tried, not believed.
"""

import argparse
import logging
import math
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from dp_accounting import GaussianDpEvent, NeighboringRelation, PoissonSampledDpEvent, SampledWithoutReplacementDpEvent
from dp_accounting.pld import PLDAccountant
from dp_accounting.rdp import RdpAccountant
from flwr.supercore import privacy_accounting as flower
from flwr.supercore.privacy_accounting.rdp_accountant import RdpAccountant as FlowersAccountant

from fedleak.accounting.composition import LEAST_POISSON_NOISE, ORDERS
from fedleak.accounting.relations import RELATIONS, Accounted, Noised, Relation, accounted, apart
from fedleak.accounting.sampling import Poisson, Sample, Sampling, Shuffled

BOUND = "moments are a bound from above (RDP conversion)"
FLOWER = "Flower: replace-one taken for a sensitivity of one clipping norm"
PLACE = "fixed-size samples under add-or-remove: another takes the place of who is removed"
ORDER = "shuffled batches under add-or-remove: another takes the place of who is removed"
LITTLE = f"no credit for samples below noise {LEAST_POISSON_NOISE}"
GROUP = "Poisson samples under replace-one: as of a group of two"
REPLACED = "fixed-size samples: the bound of replace-one, which these neighbors do not attain"
ORDERS_LEFT_OUT = "some orders of the moments are left out"
ROUNDED = "the grid of the losses"
NAMES: Final = (BOUND, FLOWER, PLACE, ORDER, LITTLE, GROUP, REPLACED, ORDERS_LEFT_OUT, ROUNDED)
LARGEST = 40.0
"""Epsilon up to which the losses' own distribution is asked for: its grid goes by epsilon."""
GRID = 1e-3
ALIKE = 0.01
"""Disagreement that needs no name."""
THEIRS: Final[dict[Relation, NeighboringRelation]] = {
    "add-or-remove": NeighboringRelation.ADD_OR_REMOVE_ONE,
    "zero-out": NeighboringRelation.REPLACE_SPECIAL,
    "replace-one": NeighboringRelation.REPLACE_ONE,
}


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Some noised sums alike, as an accountant is asked about them."""

    relation: Relation
    sampling: Sampling
    noise: float
    """A multiple of the greatest norm of one contribution."""
    count: int
    delta: float

    @classmethod
    def drawn(cls, draw: random.Random) -> "Setting":
        """Any relation with any samples; noise and delta by their logarithms."""
        size, population = draw.choice([1, 5, 20]), draw.choice([40, 200, 1000])
        samples = (None, Poisson(rate=size / population), Sample(size=size, population=population), Shuffled())
        return cls(
            relation=draw.choice(RELATIONS),
            sampling=draw.choice(samples),
            noise=math.exp(draw.uniform(math.log(0.03), math.log(12))),
            count=math.ceil(math.exp(draw.uniform(0, math.log(100)))),
            delta=10 ** -draw.uniform(3, 8),
        )

    @property
    def ours(self) -> Accounted:
        """What is accounted."""
        part = Noised(noise_multiplier=self.noise, sampling=self.sampling, count=self.count)
        return accounted([part], self.delta, self.relation)

    @property
    def kind(self) -> str:
        """Of the samples."""
        return "all" if self.sampling is None else type(self.sampling).__name__.lower()

    @property
    def share(self) -> float:
        """Of those that a sample may be of, how many are in it; 1 where that is no help."""
        match self.sampling:
            case Poisson(rate=rate):
                return rate
            case Sample(size=size, population=population):
                return size / population
        return 1.0


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What another accountant says of a setting."""

    accountant: str
    epsilon: float
    attained: bool = False
    """Whether neighbors attain it, up to the accountant's grid, so that nobody may be below."""


def compared(one: Setting) -> Iterator[Compared]:
    """All that is known of a setting by others; what they refuse is left out."""
    yield from _of_dp_accounting(one)
    flowers = _of_flower(one)
    if flowers is not None:
        yield Compared(accountant="Flower", epsilon=flowers)


def _of_dp_accounting(one: Setting) -> Iterator[Compared]:
    relation, gaussian = THEIRS[one.relation], GaussianDpEvent(one.noise)
    if isinstance(one.sampling, Sample):
        # Two neighbors: all contributions are alike but for one, which is nothing, or the opposite.
        pair = PoissonSampledDpEvent(one.share, GaussianDpEvent(one.noise / (2 if one.relation != "zero-out" else 1)))
        yield from _losses(NeighboringRelation.ADD_OR_REMOVE_ONE, pair, one, "dp-accounting, attained")
        if one.relation == "replace-one":
            drawn = SampledWithoutReplacementDpEvent(
                one.sampling.population, one.sampling.size, GaussianDpEvent(one.noise / 2)
            )
            yield Compared(accountant="dp-accounting, moments", epsilon=_moments(relation, drawn, one))
        return
    if isinstance(one.sampling, Poisson):
        poisson = PoissonSampledDpEvent(one.sampling.rate, gaussian)
        yield from _losses(relation, poisson, one, "dp-accounting, losses")
        if one.relation != "replace-one":
            yield Compared(accountant="dp-accounting, moments", epsilon=_moments(relation, poisson, one))
        return
    distance = apart(one.sampling, one.relation)
    # Moments take noise as a multiple of the sensitivity, losses as one of a contribution.
    moved = GaussianDpEvent(one.noise / distance)
    yield from _losses(NeighboringRelation.ADD_OR_REMOVE_ONE, moved, one, "dp-accounting, losses")
    if one.relation == "replace-one":
        yield from _losses(relation, gaussian, one, "dp-accounting, losses")
    yield Compared(accountant="dp-accounting, moments", epsilon=_moments(relation, moved, one))


def _losses(relation: NeighboringRelation, event: Any, one: Setting, name: str) -> Iterator[Compared]:
    # Replace-one is some two to four times as much, and moments do not know it of Poisson samples.
    rough = _moments(NeighboringRelation.ADD_OR_REMOVE_ONE, event, one)
    if rough * (4 if relation is NeighboringRelation.REPLACE_ONE else 1) <= LARGEST:
        accountant = PLDAccountant(relation, value_discretization_interval=GRID).compose(event, one.count)
        yield Compared(accountant=name, epsilon=float(accountant.get_epsilon(one.delta)), attained=True)


def _moments(relation: NeighboringRelation, event: Any, one: Setting) -> float:
    return float(RdpAccountant(neighboring_relation=relation).compose(event, one.count).get_epsilon(one.delta))


def _of_flower(one: Setting, noise: float | None = None) -> float | None:
    """By its own accountant, told the noise as its strategies name it; None where it refuses the question."""
    methods = {
        "all": "NO_AMPLIFICATION",
        "shuffled": "NO_AMPLIFICATION",
        "poisson": "POISSON",
        "sample": "WITHOUT_REPLACEMENT",
    }
    population = one.sampling.population if isinstance(one.sampling, Sample) else 1000
    size = max(round(one.share * population), 1)
    try:
        config = flower.PrivacyConfig(
            target_delta=one.delta,
            population_size=population,
            neighboring_relation=flower.NeighboringRelation[f"{THEIRS[one.relation].name}"],
            sampling_method=flower.SamplingMethod[methods[one.kind]],
        )
    except (KeyError, ValueError):
        return None
    accountant = FlowersAccountant(config)
    accountant.compose(
        flower.GaussianPrivacyEvent(
            noise_multiplier=one.noise if noise is None else noise, sample_size=size, population_size=population
        ),
        one.count,
    )
    return accountant.get_epsilon(one.delta)


def below(ours: float, other: Compared, one: Setting) -> bool:
    """Whether ours is less than what neighbors attain, but for the grid that theirs is rounded up to."""
    return other.attained and ours < other.epsilon - GRID * math.sqrt(one.count)


def named(ours: Accounted, other: Compared, one: Setting) -> str | None:
    """Why they disagree, "" where they hardly do; None where nothing that was tried tells why."""
    mine, theirs = ours.epsilon, other.epsilon
    if abs(mine - theirs) <= ALIKE * theirs:
        return ""
    if abs(mine - theirs) <= GRID * math.sqrt(one.count):
        return ROUNDED
    if mine < theirs:
        return None if other.attained else BOUND
    tried = (_distance, _credit, _bound)
    return next((name for reason in tried if (name := reason(ours, other, one))), None)


def _distance(ours: Accounted, other: Compared, one: Setting) -> str:
    """Whether theirs is that of sums which are less far apart."""
    moved = one.noise / apart(one.sampling, one.relation)
    if isinstance(one.sampling, Sample) and one.relation == "add-or-remove":
        exact = PLDAccountant().compose(GaussianDpEvent(moved), one.count) if ours.epsilon <= LARGEST else None
        known = exact is None or math.isclose(exact.get_epsilon(one.delta), ours.epsilon, rel_tol=ALIKE)
        return PLACE if known else ""
    asked = _of_flower(one, moved) if other.accountant == "Flower" else None
    # Told the noise so, it is as high as ours, but for the orders that ours leaves out.
    if asked is None or (asked < ours.epsilon * (1 - ALIKE) and not _by_fewer_orders(ours, one)):
        return ""
    return FLOWER if one.relation == "replace-one" else ORDER if isinstance(one.sampling, Shuffled) else ""


def _credit(ours: Accounted, other: Compared, one: Setting) -> str:  # noqa: ARG001
    """Whether samples earn less than they do with others."""
    if isinstance(one.sampling, Poisson | Sample) and one.noise < LEAST_POISSON_NOISE:
        return LITTLE
    return GROUP if isinstance(one.sampling, Poisson) and one.relation == "replace-one" else ""


def _bound(ours: Accounted, other: Compared, one: Setting) -> str:
    """Whether ours is a bound by moments too, and no more than theirs of the like."""
    if not _by_fewer_orders(ours, one):
        return ""
    return REPLACED if other.attained and isinstance(one.sampling, Sample) else ORDERS_LEFT_OUT


def _by_fewer_orders(ours: Accounted, one: Setting) -> bool:
    """Whether dp-accounting's own moments of such samples are as high as ours, at the orders that ours has."""
    relation, gaussian = THEIRS[one.relation], GaussianDpEvent(one.noise)
    event: Any = gaussian
    if isinstance(one.sampling, Poisson):
        event = PoissonSampledDpEvent(one.sampling.rate, gaussian)
    elif isinstance(one.sampling, Sample):
        relation, sample = NeighboringRelation.REPLACE_ONE, one.sampling
        event = SampledWithoutReplacementDpEvent(sample.population, sample.size, GaussianDpEvent(one.noise / 2))
    if relation is NeighboringRelation.REPLACE_ONE and isinstance(one.sampling, Poisson):
        return False
    fewer = RdpAccountant(ORDERS, relation).compose(event, one.count)
    return ours.epsilon <= float(fewer.get_epsilon(one.delta)) * (1 + ALIKE)


@dataclass
class Tally:
    """What came of some settings."""

    figures: Counter[tuple[str, str, str]]
    """By relation, samples and accountant."""
    names: Counter[str]
    violations: list[str]
    unexplained: list[str]


def tally(settings: int, seed: int) -> Tally:
    """Puts so many settings to all accountants."""
    draw, found = random.Random(seed), Tally(Counter(), Counter(), [], [])
    for _ in range(settings):
        one = Setting.drawn(draw)
        ours = one.ours
        for other in compared(one):
            found.figures[one.relation, one.kind, other.accountant] += 1
            words = f"{one}: ours {ours.epsilon:.6g} ({ours.terms}), {other.accountant} {other.epsilon:.6g}"
            if below(ours.epsilon, other, one):
                found.violations.append(words)
            why = named(ours, other, one)
            if why is None:
                found.unexplained.append(words)
            elif why:
                found.names[why] += 1
    return found


def main() -> int:
    """Prints how many figures were held against ours, the names of disagreements, and what has none."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    asked, started = parser.parse_args(), time.process_time()
    logging.getLogger("absl").setLevel(logging.ERROR)  # of orders that dp-accounting leaves out itself
    found = tally(asked.settings, asked.seed)
    write = sys.stdout.write
    for (relation, kind, accountant), count in sorted(found.figures.items()):
        write(f"{relation:<14} {kind:<9} {accountant:<26} {count:>5}\n")
    write(f"{asked.settings} settings, {sum(found.figures.values())} figures of others\n")
    write(f"{len(found.violations)} below what neighbors attain\n")
    write(f"{sum(found.names.values()) + len(found.unexplained)} disagreements above {ALIKE:.0%}\n")
    for name, count in found.names.most_common():
        write(f"  {count:>5}  {name}\n")
    write(f"  {len(found.unexplained):>5}  without a name\n")
    for words in [*found.violations, *found.unexplained][:20]:
        write(f"{words}\n")
    write(f"{time.process_time() - started:.0f} s of processor time\n")
    return 1 if found.violations or found.unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
