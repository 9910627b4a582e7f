"""Samples of many messages side by side, each with its guess without the update, and intervals of shares of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64, Int64

from fedleak.results.row import Row
from fedleak.statistics.intervals import Interval, Units, clopper_pearson, of_mean, too_few

SAME = 1e-12
"""Shares that differ by less are equal but for rounding."""


@dataclass(frozen=True, kw_only=True)
class Samples:
    """The samples of a group one after another, as far as they have a value."""

    values: Float64[np.ndarray, " samples"]
    guesses: Float64[np.ndarray, " samples"]
    """NaN where there is none."""
    message: Int64[np.ndarray, " samples"]
    """The place of its row."""
    sign: float
    """-1 where a lower value leaks more."""

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "Samples":
        """The samples of the rows of one group."""
        values = np.array([value for row in rows for value in row.per_sample], dtype=float)
        guesses = np.array([guess for row in rows for guess in row.blind_per_sample], dtype=float)
        message = np.repeat(np.arange(len(rows)), [len(row.per_sample) for row in rows])
        known = np.isfinite(values)
        sign = 1.0 if rows[0].higher_is_better else -1.0
        return cls(values=values[known], guesses=guesses[known], message=message[known], sign=sign)

    @property
    def gains(self) -> Float64[np.ndarray, " samples"]:
        """By how much each leaks more than its guess; NaN where it has none."""
        gains: Float64[np.ndarray, " samples"] = self.sign * (self.values - self.guesses)
        return gains

    def reach(self, threshold: float) -> Bool[np.ndarray, " samples"]:
        """Which are at the threshold or past it."""
        reached: Bool[np.ndarray, " samples"] = self.sign * self.values >= self.sign * threshold
        return reached

    def guessed(self) -> "Samples":
        """Those that have a guess."""
        known = np.isfinite(self.guesses)
        return Samples(
            values=self.values[known], guesses=self.guesses[known], message=self.message[known], sign=self.sign
        )


def share_interval(hits: Sequence[int], sizes: Sequence[int], seeds: Sequence[int]) -> Interval:
    """Of the share of all samples that are hits, from each message's hits and size, made under these seeds.

    Samples of one message go together, so what counts is units, as everywhere. Exact where each has one sample; else of
    a mean of the units' shares. Messages without samples say nothing.
    """
    known = [place for place, size in enumerate(sizes) if size]
    units = Units.of([float(hits[i]) for i in known], [seeds[i] for i in known], [sizes[i] for i in known])
    return _of_shares(units, samples=sum(sizes))


def mean_share_interval(shares: Sequence[float], sizes: Sequence[int], seeds: Sequence[int]) -> Interval:
    """The same of the mean over messages; each counts alike, whatever its size."""
    return _of_shares(Units.of(shares, seeds), samples=sum(sizes))


def share_beyond(rows: Sequence[Row], samples: Samples, threshold: float) -> tuple[float, Interval]:
    """The share of a group's samples at the threshold or past it, and its interval."""
    sizes = np.bincount(samples.message, minlength=len(rows))
    hits = np.bincount(samples.message, weights=samples.reach(threshold), minlength=len(rows)).astype(int)
    share = hits.sum() / sizes.sum() if sizes.any() else np.nan
    return float(share), share_interval(hits.tolist(), sizes.tolist(), [row.seed for row in rows])


def hit_or_miss(unit: str, values: Float64[np.ndarray, " samples"]) -> bool:
    """Whether samples either leaked or did not.

    The unit must say so too: errors that are 0 throughout are no share of anything.
    """
    return unit.startswith("share") and len(values) > 0 and bool(((values == 0) | (values == 1)).all())


def _of_shares(units: Units, *, samples: int) -> Interval:
    """Units that agree have no spread, which says that each is like the others and not that the next will be.

    So they count as one trial each.
    """
    if samples == len(units):
        return clopper_pearson(float(units.totals.sum()), len(units), str(units))
    if len(units) < 2:
        return too_few(str(units))
    if np.ptp(units.means) < SAME:
        return clopper_pearson(float(units.means.sum()), len(units), str(units))
    interval = of_mean(units)
    return replace(interval, low=max(interval.low, 0.0), high=min(interval.high, 1.0))
