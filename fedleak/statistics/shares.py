"""Shares of samples: what leaked or did not, and how sure the share is."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from fedleak.results.row import Row
from fedleak.statistics.intervals import Interval, Units, clopper_pearson, of_mean, too_few
from fedleak.statistics.samples import Samples

SAME = 1e-12
"""Shares that differ by less are equal but for rounding."""


def share_interval(hits: Sequence[int], sizes: Sequence[int], seeds: Sequence[int]) -> Interval:
    """Of the share of all samples that are hits, from each message's hits and size, made under these seeds.

    Samples of one message go together, so what counts is units, as everywhere. Exact where each has one sample; else of
    a mean of the units' shares. Messages without samples say nothing.
    """
    known = [place for place, size in enumerate(sizes) if size]
    units = Units.of([float(hits[i]) for i in known], [seeds[i] for i in known], [sizes[i] for i in known])
    return _of_shares(units, samples=sum(sizes))


def mean_share_interval(shares: Sequence[float], sizes: Sequence[int], seeds: Sequence[int]) -> Interval:
    """The same of the mean over messages, each of which counts alike whatever its size."""
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
