"""ROC: the share of what is sought that is found, over the share of the others that is taken for it, pooled."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from fedleak.formatting import number
from fedleak.metrics.placement import Placement
from fedleak.statistics.intervals import Interval, Units, of_mean


@dataclass(frozen=True, kw_only=True)
class Share:
    """A mean over cells, each the mean over its trials."""

    mean: float
    interval: Interval

    @classmethod
    def of(cls, values: Sequence[float], seeds: Sequence[int], carrier: str) -> "Share":
        """The interval is over seeds where there are five, else over cells, which are each called `carrier`."""
        interval = of_mean(Units.of(values, seeds), (0.0, 1.0)).of_each(carrier)
        return cls(mean=float(np.mean(values)), interval=interval)

    @property
    def words(self) -> str:
        """`0.64 (0.53 to 0.75)`."""
        low, high = self.interval.low, self.interval.high
        return number(self.mean) + ("" if math.isnan(low) else f" ({number(low)} to {number(high)})")


def found_at(rate: float) -> Callable[[Placement], Tensor]:
    """Of a cell what it finds at one rate of false alarms, trial by trial; ties count in part."""
    return lambda placed: placed.found_at(rate)


def each(placed: Iterable[Placement], value: Callable[[Placement], Tensor]) -> list[float]:
    """Of each cell the mean over its trials."""
    return [float(value(one).mean()) for one in placed]


def roc(placed: Sequence[Placement], rates: Iterable[float]) -> tuple[tuple[float, float], ...]:
    """The rate of false alarms, and the mean over cells of what each finds where its own rate is that one.

    Scores of different cells are never compared with each other: in each the threshold is such as meets the rate.
    """
    return tuple((rate, float(np.mean(each(placed, found_at(rate))))) for rate in rates)
