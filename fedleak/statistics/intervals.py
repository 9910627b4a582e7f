"""95% confidence intervals: Clopper-Pearson and Gaffke's for what has bounds, Student's t for other means.

They are written out because scipy has neither Gaffke's nor units of different sizes; where it has the same, it is the
oracle of the tests. `benchmarks/coverage.py` prints how often each holds what it is about.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from jaxtyping import Float64
from scipy.special import betaincinv, stdtrit

CONFIDENCE = 0.95
TAIL = (1 - CONFIDENCE) / 2
CLUSTERS = 5
"""From so many seeds on they are the units; from so many units on they are resampled. Fewer would say too little."""
FEWEST, MOST, DRAWS = 1_000, 10_000, 2_000_000
"""Sets of random weights: as many as make so many draws, between these bounds."""
BLOCK = 1_000_000
"""Draws that are held in memory at once."""
SAME = 1e-12
"""Part of their size by which equal values may differ through rounding."""
ANYTHING = (-math.inf, math.inf)
"""The bounds of what has none."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A 95% confidence interval; NaN at both ends where there are too few units to tell."""

    low: float
    high: float
    method: str
    """In words, with what it assumes: "Gaffke's bounds over 5 seeds", "too few: 1 message"."""

    def of_each(self, carrier: str) -> "Interval":
        """The same where what was attacked is no message of a round: `too few: 1 model`."""
        return replace(self, method=self.method.replace("message", carrier))


@dataclass(frozen=True, kw_only=True)
class Units:
    """What counts as one independent observation: a seed with all its messages, or a message where seeds are few."""

    name: Literal["seed", "message"]
    totals: Float64[np.ndarray, " units"]
    """Sum over a unit's messages."""
    sizes: Float64[np.ndarray, " units"]
    """Number of a unit's messages, or of their samples where the totals are over samples."""
    seeds: int | None = None
    """How many seeds the messages have; None where seeds are the units."""

    @classmethod
    def of(
        cls,
        values: Sequence[float],
        seeds: Sequence[int],
        sizes: Sequence[int] | None = None,
        *,
        clusters: int = CLUSTERS,
    ) -> "Units":
        """The units of messages with these values (totals over so many samples, if given), made under these seeds.

        Seeds are the units where there are `clusters` of them.
        """
        totals = np.array(values, dtype=float)
        counts = np.ones(len(values)) if sizes is None else np.array(sizes, dtype=float)
        numbers = {seed: number for number, seed in enumerate(dict.fromkeys(seeds))}
        if len(numbers) < clusters:
            return cls(name="message", totals=totals, sizes=counts, seeds=len(numbers))
        unit = np.array([numbers[seed] for seed in seeds])
        return cls(name="seed", totals=np.bincount(unit, weights=totals), sizes=np.bincount(unit, weights=counts))

    def __len__(self) -> int:
        return len(self.totals)

    def __str__(self) -> str:
        return units_in_words(len(self), self.name, self.seeds)

    @property
    def means(self) -> Float64[np.ndarray, " units"]:
        """Each unit's mean."""
        means: Float64[np.ndarray, " units"] = self.totals / self.sizes
        return means

    @property
    def agree(self) -> bool:
        """Whether all have the same mean, which leaves no spread to judge by."""
        means = self.means
        return bool(np.ptp(means) <= SAME * np.abs(means).max())


def clopper_pearson(successes: float, trials: int, over: str) -> Interval:
    """Of a share: every share that would not make what was seen improbable (below 2.5% on its side).

    Exact for independent trials, and wider than needed for few of them; trials that go together, such as samples of one
    batch, need more. Between whole successes it is the same formula. `over` are the trials in words. Source: Clopper
    and Pearson 1934, https://doi.org/10.1093/biomet/26.4.404.
    """
    if not trials:
        return too_few(over)
    low, high = 1 - at_most(trials - successes, trials, TAIL), at_most(successes, trials, TAIL)
    return Interval(low=low, high=high, method=f"Clopper-Pearson over {over}")


def at_most(successes: float, trials: int, tail: float) -> float:
    """The upper end alone: the share under which so few successes have this probability."""
    return float(betaincinv(successes + 1, trials - successes, 1 - tail)) if successes < trials else 1.0


def of_mean(units: Units, bounds: tuple[float, float] = ANYTHING) -> Interval:
    """Of the mean over messages, within the bounds of the values: Student's, or Gaffke's where all units agree.

    Equal units say that each is like the others and not that the next will be: without bounds there is no interval.
    """
    if len(units) < 2:
        return too_few(str(units))
    if not units.agree:
        found = student(units)
        return replace(found, low=max(found.low, bounds[0]), high=min(found.high, bounds[1]))
    return gaffke(units, bounds) if np.isfinite(bounds).all() else no_interval(f"no spread: {units} that are all equal")


def student(units: Units) -> Interval:
    """Of the mean, by Student's t: right where the units are about normally distributed, and it says so.

    Of log-normal units it holds the mean 82 times in 100 at 5 units and 89 times at 30. What none of the units has is
    not in it, and a value that comes with the probability `unseen` is missing from all of them once in twenty times.
    Units count by their sizes, as in a ratio of two means. The bootstrap was left: it reaches no further than the units
    that were seen, and mends skewness only where there are many.
    Source: Student 1908, https://doi.org/10.1093/biomet/6.1.1.
    """
    if len(units) < 2:
        return too_few(str(units))
    center = float(units.totals.sum() / units.sizes.sum())
    deviations = (units.totals - center * units.sizes) / units.sizes.mean()
    half = float(stdtrit(len(units) - 1, 1 - TAIL) * deviations.std(ddof=1) / math.sqrt(len(units)))
    missing = f"as if normal: a value rarer than {unseen(len(units)):.0%} may be missing"
    return Interval(low=center - half, high=center + half, method=f"Student's t over {units}, {missing}")


def unseen(units: int) -> float:
    """The probability of a value that is missing from all of so many units once in twenty times."""
    return 1 - 2 * TAIL if not units else float(1 - (2 * TAIL) ** (1 / units))


def gaffke(units: Units, bounds: tuple[float, float]) -> Interval:
    """Of the mean of values that have bounds, whatever their distribution; see `gaffke_limit`."""
    if not len(units):
        return too_few(str(units))
    low, high = gaffke_limit(units, bounds[0], TAIL), gaffke_limit(units, bounds[1], 1 - TAIL)
    return Interval(low=low, high=high, method=f"Gaffke's bounds over {units}")


def gaffke_limit(units: Units, bound: float, level: float) -> float:
    """One end, by the Bayesian bootstrap with one more unit, which lies at the bound and is as large as the largest.

    Of hits and misses this is Clopper and Pearson's limit. That it holds the mean as often as it says is proved for
    values of two kinds; beyond these no case is known where it does not. The weights have a generator of their own: the
    same units, the same limit. Source: Gaffke 2005; Learned-Miller and Thomas 2019, https://arxiv.org/abs/1905.06208.
    """
    size = units.sizes.max()
    totals, sizes = np.append(units.totals, bound * size), np.append(units.sizes, size)
    means = [weights @ totals / (weights @ sizes) for weights in map(_weights, *_blocks(len(totals)))]
    return float(np.quantile(np.concatenate(means), level))


def too_few(over: str) -> Interval:
    """No interval; `over` are the units in words."""
    return no_interval(f"too few: {over}")


def no_interval(why: str) -> Interval:
    """NaN at both ends."""
    return Interval(low=math.nan, high=math.nan, method=why)


def units_in_words(count: int, name: str, seeds: int | None) -> str:
    """`5 seeds`, `1 message`, `4 messages of one seed`, `16 messages of 2 seeds`."""
    if seeds is None or count < 2:
        return counted(count, name)
    return f"{counted(count, name)} of {'one seed' if seeds == 1 else counted(seeds, 'seed')}"


def counted(count: int, what: str) -> str:
    """`1 message`, `2 messages`."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _blocks(units: int) -> tuple[list[int], list[int], list[int]]:
    """Arguments of `_weights` that together make all the sets."""
    sets = min(MOST, max(FEWEST, DRAWS // units))
    rows = max(1, BLOCK // units)
    starts = list(range(0, sets, rows))
    return [units] * len(starts), [min(rows, sets - start) for start in starts], starts


@lru_cache(maxsize=16)
def _weights(units: int, sets: int, start: int) -> Float64[np.ndarray, "sets units"]:
    """Random weights of the units, uniform among all that there are once they are divided by their sum."""
    return np.random.default_rng([units, start]).exponential(size=(sets, units))
