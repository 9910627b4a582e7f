"""95% confidence intervals: Clopper-Pearson for shares, the bootstrap for means, Student's for means of a few."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from jaxtyping import Float64
from scipy.special import betaincinv, ndtr, stdtrit

CONFIDENCE = 0.95
TAIL = (1 - CONFIDENCE) / 2
CLUSTERS = 5
"""From so many seeds on they are the units; from so many units on they are resampled. Fewer would say too little."""
FEWEST, MOST, DRAWS = 1_000, 10_000, 2_000_000
"""Resamples: as many as make so many draws, between these bounds."""
BLOCK = 1_000_000
"""Draws that are held in memory at once."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A 95% confidence interval; NaN at both ends where there are too few units to tell."""

    low: float
    high: float
    method: str
    """In words: "bootstrap over 5 seeds", "Student's t over 16 messages of 2 seeds", "too few: 1 message"."""


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
    def of(cls, values: Sequence[float], seeds: Sequence[int], sizes: Sequence[int] | None = None) -> "Units":
        """The units of messages with these values (totals over so many samples, if given), made under these seeds."""
        totals = np.array(values, dtype=float)
        counts = np.ones(len(values)) if sizes is None else np.array(sizes, dtype=float)
        numbers = {seed: number for number, seed in enumerate(dict.fromkeys(seeds))}
        if len(numbers) < CLUSTERS:
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


def clopper_pearson(successes: float, trials: int, over: str) -> Interval:
    """Of a share: every share that would not make what was seen improbable (below 2.5% on its side).

    Exact for independent trials, and wider than needed for few of them; trials that go together, such as samples of one
    batch, need more. Between whole successes it is the same formula. `over` are the trials in words. Source: Clopper
    and Pearson 1934, https://doi.org/10.1093/biomet/26.4.404.
    """
    if not trials:
        return too_few(over)
    low = betaincinv(successes, trials - successes + 1, TAIL) if successes > 0 else 0.0
    high = betaincinv(successes + 1, trials - successes, 1 - TAIL) if successes < trials else 1.0
    return Interval(low=float(low), high=float(high), method=f"Clopper-Pearson over {over}")


def of_mean(units: Units) -> Interval:
    """Of the mean over messages: the bootstrap, or Student's where there are too few units to resample."""
    return bootstrap(units) if len(units) >= CLUSTERS else student(units)


def student(units: Units) -> Interval:
    """Of the mean of a few units, by Student's t: wide, and right where they are about normally distributed.

    Units count by their sizes, as in a ratio of two means. It knows nothing of a metric's range and may leave it.
    Source: Student 1908, https://doi.org/10.1093/biomet/6.1.1.
    """
    if len(units) < 2:
        return too_few(str(units))
    center = float(units.totals.sum() / units.sizes.sum())
    deviations = (units.totals - center * units.sizes) / units.sizes.mean()
    half = float(stdtrit(len(units) - 1, 1 - TAIL) * deviations.std(ddof=1) / math.sqrt(len(units)))
    return Interval(low=center - half, high=center + half, method=f"Student's t over {units}")


def bootstrap(units: Units) -> Interval:
    """Of the mean over messages: the quantiles that it has when units are drawn again, with replacement.

    The quantiles lie further out than 2.5% and 97.5%, so that the interval is as wide as Student's where units are few
    and symmetric. The plain percentile interval is too narrow by the factor `sqrt((n - 1) / n) z / t` and at 5 units
    misses one mean in six; BCa mends skewness, the lesser fault here, and leaves that one. This is the expanded
    percentile interval of Hesterberg 2014, https://arxiv.org/abs/1411.5279. Limit: no interval reaches beyond the
    units that were seen, so of normal values it holds the mean 92 times in 100 at 5 units, 75 times at 3. The draws
    have a generator of their own: the same units, the same interval.
    """
    if len(units) < 2:
        return too_few(str(units))
    center = units.totals.sum() / units.sizes.sum()
    deviations = units.totals - center * units.sizes  # equal values give an interval without width, not one of rounding
    means = [draws @ deviations / (draws @ units.sizes) for draws in map(_draws, *_blocks(len(units)))]
    tail = expanded_tail(len(units))
    low, high = center + np.quantile(np.concatenate(means), [tail, 1 - tail])
    return Interval(low=float(low), high=float(high), method=f"bootstrap over {units}")


def expanded_tail(units: int) -> float:
    """The quantile whose distance from a normal's mean, in standard deviations of the resamples, is Student's."""
    return float(ndtr(stdtrit(units - 1, TAIL) * math.sqrt(units / (units - 1))))


def too_few(over: str) -> Interval:
    """No interval; `over` are the units in words."""
    return Interval(low=math.nan, high=math.nan, method=f"too few: {over}")


def units_in_words(count: int, name: str, seeds: int | None) -> str:
    """`5 seeds`, `1 message`, `4 messages of one seed`, `16 messages of 2 seeds`."""
    if seeds is None or count < 2:
        return counted(count, name)
    return f"{counted(count, name)} of {'one seed' if seeds == 1 else counted(seeds, 'seed')}"


def counted(count: int, what: str) -> str:
    """`1 message`, `2 messages`."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _blocks(units: int) -> tuple[list[int], list[int], list[int]]:
    """Arguments of `_draws` that together make all the resamples."""
    resamples = min(MOST, max(FEWEST, DRAWS // units))
    rows = max(1, BLOCK // units)
    starts = list(range(0, resamples, rows))
    return [units] * len(starts), [min(rows, resamples - start) for start in starts], starts


@lru_cache(maxsize=16)
def _draws(units: int, resamples: int, start: int) -> Float64[np.ndarray, "resamples units"]:
    """How often each unit is drawn in each resample."""
    drawn = np.random.default_rng([units, start]).integers(units, size=(resamples, units))
    places = (drawn + units * np.arange(resamples)[:, None]).ravel()
    return np.bincount(places, minlength=resamples * units).reshape(resamples, units).astype(float)
