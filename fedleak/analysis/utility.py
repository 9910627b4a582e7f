"""Utility and costs of a defense: accuracy, traffic, time and memory, each a mean over seeds with its interval."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from fedleak.results.federation_row import FederationRow
from fedleak.statistics.intervals import Interval, Units, of_mean


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A mean over seeds with its interval; NaN where nothing was measured."""

    mean: float
    interval: Interval

    @classmethod
    def of(cls, values: Mapping[int, float]) -> "Figure":
        """Of one value for each seed."""
        known = {seed: value for seed, value in values.items() if math.isfinite(value)}
        mean = math.fsum(known.values()) / len(known) if known else math.nan
        return cls(mean=mean, interval=of_mean(Units.of(list(known.values()), list(known))))


def accuracy_of(rows: Iterable[FederationRow]) -> Figure:
    """Accuracy after the last round that was evaluated, for each seed its own; the interval ends at 0 and 1."""
    last: dict[int, FederationRow] = {}
    for row in rows:
        if not math.isnan(row.accuracy):
            last[row.seed] = max(last.get(row.seed, row), row, key=lambda one: one.round)
    accuracy = Figure.of({seed: row.accuracy for seed, row in last.items()})
    low, high = max(accuracy.interval.low, 0.0), min(accuracy.interval.high, 1.0)  # NaN stays NaN
    return replace(accuracy, interval=replace(accuracy.interval, low=low, high=high))


def cost_of(rows: Iterable[FederationRow], cost: Callable[[FederationRow], float]) -> Figure:
    """The mean over a seed's recorded rounds."""
    found: dict[int, list[float]] = {}
    for row in rows:
        if row.recorded and math.isfinite(cost(row)):
            found.setdefault(row.seed, []).append(cost(row))
    return Figure.of({seed: math.fsum(values) / len(values) for seed, values in found.items()})
