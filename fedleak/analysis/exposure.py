"""Exposure of the samples behind a defense: what any of its attackers got of each, and the share past a limit."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fedleak.analysis.defenses import DefenseResult
from fedleak.analysis.judgement import kind_of
from fedleak.goals.goals import GOALS
from fedleak.results.row import Row
from fedleak.statistics.group import Group
from fedleak.statistics.quantiles import tail
from fedleak.statistics.samples import seeds_needed, share_limit

Sample = tuple[int, int, object, int]
"""Seed, round, sender and place in the batch."""


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """What any attacker got of each sample at most; the samples are those that who knows the defense was to attack."""

    values: tuple[float, ...]
    """NaN where no attacker has a figure."""
    seeds: tuple[int, ...]
    """Of each sample."""
    past: tuple[bool, ...]
    """Whether more than the limit leaked of it, or it was proved."""
    open: tuple[bool, ...]
    """Whether an attacker who knows the defense failed on it, or none has a figure: more might have leaked."""
    failures: Mapping[str, int]
    """Who failed and why, a clause each, in so many messages."""
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
        """The upper 97.5% limit of that share over runs like this one, by seeds; what is open may have leaked."""
        return share_limit([*map(int, self._possible)], [1] * len(self.past), self.seeds)

    @property
    def _possible(self) -> list[bool]:
        return [past or left_open for past, left_open in zip(self.past, self.open, strict=True)]

    @property
    def tail(self) -> float:
        """What 95 of 100 samples leak at most."""
        return tail(self._known, higher_is_better=self.higher_is_better)

    @property
    def worst(self) -> float:
        """The sample that leaked most."""
        return (max if self.higher_is_better else min)(self._known, default=math.nan)

    @property
    def _known(self) -> list[float]:
        return [value for value in self.values if not math.isnan(value)]

    @property
    def distinct_seeds(self) -> int:
        """How many seeds the samples have."""
        return len(set(self.seeds))

    def needed(self, share: float) -> int:
        """How many seeds would show at most this share, if all further ones are clean."""
        of_seed = {
            seed: [hit for own, hit in zip(self.seeds, self._possible, strict=True) if own == seed]
            for seed in self.seeds
        }
        return seeds_needed(sum(sum(hits) / len(hits) for hits in of_seed.values()), share)


def exposure_of(result: DefenseResult, groups: Mapping[Group, Sequence[Row]], limit: float) -> Exposure:
    """The samples that those attacked who know the defense, or had to, and any others past the limit.

    What only attackers tried who take no notice of the defense says nothing for it; what they got past the limit says
    something against it. An attack that failed on a message found nothing there, which is not that there was nothing.
    """
    higher = all(one.higher_is_better for one in result.attackers)
    worse = max if higher else min
    found: dict[Sample, float] = {}
    proved: set[Sample] = set()
    for row in (row for one in result.attackers for row in groups[one.group]):
        for sample, value in _figures(row):
            found[sample] = worse(found.get(sample, value), value)
            proved |= {sample} if row.certified else set()
    past = {sample for sample, value in found.items() if (value > limit if higher else value < limit)} | proved
    informed = [row for one in result.informed for row in groups[one.group] if row.applicable]
    tried = {sample for row in informed for sample, _ in _figures(row)}
    failures = [row for row in informed if math.isnan(row.value)]
    most = max((len(row.per_sample) for row in informed), default=0)
    failed = {sample for row in failures for sample in _samples(row, most)}
    asked = dict.fromkeys(sample for row in informed for sample in _samples(row, most))
    kept = list(dict.fromkeys([*(sample for sample in found if sample in asked or sample in past), *asked]))
    return Exposure(
        values=tuple(found.get(sample, math.nan) for sample in kept),
        seeds=tuple(seed for seed, *_ in kept),
        past=tuple(sample in past for sample in kept),
        open=tuple(sample in failed or sample not in tried for sample in kept),
        failures=Counter(f"{row.attack} has no figure ({row.reason or 'no reason given'})" for row in failures),
        higher_is_better=higher,
    )


def _samples(row: Row, most: int) -> list[Sample]:
    """All that could leak of a message; if an attack failed, all examples behind it or all that others were asked."""
    goal = GOALS.get(kind_of(row.metric))
    of_examples = goal is None or goal.of_examples
    count = len(row.per_sample) or (row.samples if of_examples else most)
    return [(row.seed, row.round, row.client, place) for place in range(count)]


def _figures(row: Row) -> Iterable[tuple[Sample, float]]:
    """The samples that have a figure."""
    for place, value in enumerate(row.per_sample):
        if math.isfinite(value):
            yield (row.seed, row.round, row.client, place), value
