"""Exposure of the samples behind a defense: what any of its attackers got of each, and the share past a limit."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fedleak.analysis.defenses import DefenseResult
from fedleak.results.row import Row
from fedleak.statistics.group import Group
from fedleak.statistics.quantiles import tail
from fedleak.statistics.samples import seeds_needed, share_limit

Sample = tuple[int, int, object, int]
"""Seed, round, sender and place in the batch."""


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """What any attacker got of each sample at most; the samples are those that the attackers who count have tried."""

    values: tuple[float, ...]
    seeds: tuple[int, ...]
    """Of each sample."""
    past: tuple[bool, ...]
    """Whether more than the limit leaked of it."""
    higher_is_better: bool

    @property
    def count(self) -> int:
        """Samples past the limit."""
        return sum(self.past)

    @property
    def share(self) -> float:
        """The share of the samples past the limit; NaN without samples."""
        return self.count / len(self.past) if self.past else math.nan

    @property
    def at_most(self) -> float:
        """The upper 95% limit of that share over runs like this one, counted by seeds."""
        return share_limit([*map(int, self.past)], [1] * len(self.past), self.seeds)

    @property
    def tail(self) -> float:
        """What 95 of 100 samples leak at most."""
        return tail(self.values, higher_is_better=self.higher_is_better)

    @property
    def worst(self) -> float:
        """The sample that leaked most."""
        return (max if self.higher_is_better else min)(self.values, default=math.nan)

    @property
    def distinct_seeds(self) -> int:
        """How many seeds the samples have."""
        return len(set(self.seeds))

    def needed(self, share: float) -> int:
        """How many seeds would show at most this share, if all further ones are clean."""
        of_seed = {
            seed: [hit for own, hit in zip(self.seeds, self.past, strict=True) if own == seed] for seed in self.seeds
        }
        return seeds_needed(sum(sum(hits) / len(hits) for hits in of_seed.values()), share)


def exposure_of(result: DefenseResult, groups: Mapping[Group, Sequence[Row]], limit: float) -> Exposure:
    """The samples of which the strongest attacker who knows the defense has a figure, and any others past the limit.

    What only attackers tried who take no notice of the defense says nothing for it; what they got past the limit says
    something against it.
    """
    judged = result.adaptive if result.defended else result.strongest
    higher = all(one.higher_is_better for one in result.attackers)
    worse = max if higher else min
    found: dict[Sample, float] = {}
    for one in result.attackers:
        for sample, value in _samples(groups[one.group]):
            found[sample] = worse(found.get(sample, value), value)
    tried = {sample for sample, _ in _samples(groups[judged.group])} if judged else set()
    past = {sample: value > limit if higher else value < limit for sample, value in found.items()}
    kept = [sample for sample in found if sample in tried or past[sample]]
    return Exposure(
        values=tuple(found[sample] for sample in kept),
        seeds=tuple(seed for seed, *_ in kept),
        past=tuple(past[sample] for sample in kept),
        higher_is_better=higher,
    )


def _samples(rows: Sequence[Row]) -> Iterable[tuple[Sample, float]]:
    """The samples that have a figure."""
    for row in rows:
        for place, value in enumerate(row.per_sample):
            if math.isfinite(value):
                yield (row.seed, row.round, row.client, place), value
