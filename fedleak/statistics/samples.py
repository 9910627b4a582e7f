"""Samples of many messages side by side, each with what stands beside it, and intervals of shares of them."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64, Int64

from fedleak.results.row import BESIDE, GUESSES, Row
from fedleak.statistics.group import bounds_of
from fedleak.statistics.intervals import (
    CLUSTERS,
    Interval,
    Units,
    at_most,
    clopper_pearson,
    gaffke,
    gaffke_limit,
    too_few,
)

ONE_SIDED = 0.025
"""How often the upper limit of a share may lie below it: as the upper end of a 95% interval, so that of simulated runs
under a share at the limit clearly fewer than one in 20 keep it."""


@dataclass(frozen=True, kw_only=True)
class Samples:
    """The samples of a group one after another, as far as they have a value."""

    values: Float64[np.ndarray, " samples"]
    beside: Float64[np.ndarray, "references samples"]
    """What each blind guess and each oracle reaches for them, in the order of `BESIDE`; NaN where there is none."""
    chosen: int
    """The blind guess that does best on average over the group: one for all samples, for nobody knows which is better
    for a sample who has not seen the truth."""
    message: Int64[np.ndarray, " samples"]
    """The place of its row."""
    sign: float
    """-1 where a lower value leaks more."""
    most: float
    """The value than which nothing leaks more, as 1 of SSIM."""

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "Samples":
        """The samples of the rows of one group."""
        values = np.array([value for row in rows for value in row.per_sample], dtype=float)
        beside = np.array([[one for row in rows for one in _of_each(row, name)] for name in BESIDE], dtype=float)
        message = np.repeat(np.arange(len(rows)), [len(row.per_sample) for row in rows])
        known = np.isfinite(values)
        sign = 1.0 if rows[0].higher_is_better else -1.0
        values, beside, message = values[known], beside[:, known], message[known]
        chosen = _best_guess(sign * beside[: len(GUESSES)], message)
        most = bounds_of(rows[0].metric, rows)[1 if sign > 0 else 0]
        return cls(values=values, beside=beside, chosen=chosen, message=message, sign=sign, most=most)

    @property
    def guesses(self) -> Float64[np.ndarray, " samples"]:
        """What the chosen blind guess reaches; NaN where there is none."""
        guesses: Float64[np.ndarray, " samples"] = self.beside[self.chosen]
        return guesses

    @property
    def gains(self) -> Float64[np.ndarray, " samples"]:
        """By how much each leaks more than the chosen guess; NaN where it has none."""
        gains: Float64[np.ndarray, " samples"] = self.sign * (self.values - self.guesses)
        return gains

    def reach(self, threshold: float) -> Bool[np.ndarray, " samples"]:
        """Which are at the threshold or past it."""
        reached: Bool[np.ndarray, " samples"] = self.sign * self.values >= self.sign * threshold
        return reached

    def leaked(self, threshold: float, margin: float) -> Bool[np.ndarray, " samples"]:
        """Which reach the threshold and beat by the margin all that stands beside them; one alone need only reach it.

        A flat photo that was guessed as a flat patch reaches any threshold and is beside the best single color. Where
        less than two margins are left above a reference, half of what is left is asked for: nothing is above all.
        """
        gains = self.sign * (self.values - self.beside)
        asked = np.minimum(margin, self.sign * (self.most - self.beside) / 2)
        leaked: Bool[np.ndarray, " samples"] = self.reach(threshold) & ~((gains <= 0) | (gains < asked)).any(axis=0)
        return leaked

    def guessed(self) -> "Samples":
        """Those that the chosen guess has a value for."""
        known = np.isfinite(self.guesses)
        return replace(self, values=self.values[known], beside=self.beside[:, known], message=self.message[known])


def _of_each(row: Row, name: str) -> Sequence[float]:
    """A row of a version that knew no such reference has none for any sample."""
    return getattr(row, name) or (math.nan,) * len(row.per_sample)


def _best_guess(guesses: Float64[np.ndarray, "guesses samples"], message: Int64[np.ndarray, " samples"]) -> int:
    """Of the guesses that the most samples have, the one with the highest mean over messages of their means."""
    known = np.isfinite(guesses)
    sizes = np.bincount(message)[message] if len(message) else message
    means = np.where(known, guesses, 0.0) @ (1 / sizes)
    complete = known.sum(axis=1) == known.sum(axis=1).max()
    return int(np.where(complete, means, -np.inf).argmax())


def share_interval(hits: Sequence[int], sizes: Sequence[int], seeds: Sequence[int]) -> Interval:
    """Of the share of all samples that are hits, from each message's hits and size, made under these seeds.

    Samples of one message go together, so what counts is units, as everywhere. Messages without samples say nothing.
    """
    return _of_shares(_units(hits, sizes, seeds))


def share_limit(hits: Sequence[int], sizes: Sequence[int], seeds: Sequence[int]) -> float:
    """The upper 97.5% limit of the share of a seed's samples that are hits: one-sided, and always counted by seeds.

    Each seed counts alike, however many samples it has. The limit holds however the hits of a seed go together, so
    that of a clean run it depends on the seeds alone.
    """
    whole = _units(hits, sizes, seeds, clusters=1)
    units = Units.of(whole.means.tolist(), range(len(whole)), clusters=1)
    if not len(units):
        return 1.0
    if _whole(units):
        return at_most(float(units.means.sum()), len(units), ONE_SIDED)
    return gaffke_limit(units, 1.0, 1 - ONE_SIDED)


def seeds_needed(leaked: float, share: float) -> int:
    """How many seeds there must be in all for `share_limit` to be at most `share`, if all but `leaked` are clean."""

    def enough(seeds: int) -> bool:
        return at_most(leaked, seeds, ONE_SIDED) <= share

    fewest = most = math.floor(leaked) + 1
    while not enough(most):
        most *= 2
    return fewest + bisect_left(range(fewest, most), True, key=enough)


def mean_share_interval(shares: Sequence[float], sizes: Sequence[int], seeds: Sequence[int]) -> Interval:
    """The same of the mean over messages; each counts alike, whatever its size."""
    known = [place for place, size in enumerate(sizes) if size]
    return _of_shares(Units.of([shares[i] for i in known], [seeds[i] for i in known]))


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


def _units(hits: Sequence[int], sizes: Sequence[int], seeds: Sequence[int], clusters: int = CLUSTERS) -> Units:
    known = [place for place, size in enumerate(sizes) if size]
    found = [float(hits[i]) for i in known], [seeds[i] for i in known], [sizes[i] for i in known]
    return Units.of(*found, clusters=clusters)


def _of_shares(units: Units) -> Interval:
    if len(units) and _whole(units):
        return clopper_pearson(float(units.means.sum()), len(units), str(units))
    return too_few(str(units)) if len(units) < 2 else gaffke(units, (0.0, 1.0))


def _whole(units: Units) -> bool:
    """Whether each unit is all hits or all misses, and so one trial; of different sizes only where all are the same."""
    means = units.means
    return bool(((means == 0) | (means == 1)).all() and (units.agree or np.ptp(units.sizes) == 0))
