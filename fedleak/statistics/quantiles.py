"""Percentiles over the samples of many messages, and how sure they are."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from fedleak.results import Row
from fedleak.statistics.intervals import CLUSTERS, Interval, counted, expanded_tail, too_few

RESAMPLES = 1_000
BLOCK = 2_000_000
"""Values that are held in memory at once."""


def percentile_interval(rows: Sequence[Row], percentile: float) -> Interval:
    """Of a percentile over samples: the quantiles that it has when whole messages are drawn again, with replacement.

    Samples of one message go together, and from 5 seeds on so do the messages of a seed; tails as in `bootstrap`. A
    resample has no sample beyond the extremes that were seen, so near p0 and p100 the interval is too narrow, and of
    fewer than 5 units there is none.
    """
    units, what = _units(rows)
    if len(units) < CLUSTERS:
        return too_few(len(units), what)
    generator = np.random.default_rng([len(units), round(percentile * 1000)])
    padded = _padded(units)
    found: list[float] = []
    while len(found) < RESAMPLES:
        many = min(RESAMPLES - len(found), max(1, BLOCK // padded.size))
        drawn = padded[generator.integers(len(units), size=(many, len(units)))].reshape(many, -1)
        found.extend(_percentiles(drawn, percentile).tolist())
    tail = expanded_tail(len(units))
    low, high = np.quantile(found, [tail, 1 - tail])
    return Interval(low=float(low), high=float(high), method=f"bootstrap over {counted(len(units), what)}")


def _units(rows: Sequence[Row]) -> tuple[list[list[float]], str]:
    """The samples that have a value, message by message or, where there are enough, seed by seed."""
    by_seed: dict[int, list[float]] = {}
    by_message = [[value for value in row.per_sample if math.isfinite(value)] for row in rows]
    for row, samples in zip(rows, by_message, strict=True):
        by_seed.setdefault(row.seed, []).extend(samples)
    enough = sum(map(bool, by_seed.values())) >= CLUSTERS
    units = [*by_seed.values()] if enough else by_message
    return [unit for unit in units if unit], "seed" if enough else "message"


def _padded(units: Sequence[Sequence[float]]) -> Float64[np.ndarray, "units longest"]:
    """One row a unit, NaN after its last value."""
    padded = np.full((len(units), max(map(len, units))), math.nan)
    for row, unit in zip(padded, units, strict=True):
        row[: len(unit)] = unit
    return padded


def _percentiles(values: Float64[np.ndarray, "rows values"], percentile: float) -> Float64[np.ndarray, " rows"]:
    """Of each row, NaN left out; between two values by a straight line, as `numpy.percentile` has it."""
    ordered = np.sort(values, axis=1)  # NaN last
    place = percentile / 100 * (np.isfinite(values).sum(axis=1) - 1)
    below = np.floor(place).astype(int)
    first, second = (
        np.take_along_axis(ordered, at[:, None], axis=1)[:, 0] for at in (below, np.ceil(place).astype(int))
    )
    between: Float64[np.ndarray, " rows"] = first + (place - below) * (second - first)
    return between
