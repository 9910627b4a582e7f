"""Measured: a metric's value for each true sample, or why there is none."""

import math
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Measured:
    """A metric's value for each true sample, or why there is none."""

    per_sample: tuple[float, ...] = ()
    reason: str | None = None
    fits: bool = True
    """False where the metric cannot judge such a guess, or such data."""

    @property
    def applicable(self) -> list[float]:
        """The values that there are."""
        return [value for value in self.per_sample if not math.isnan(value)]

    @property
    def mean(self) -> float:
        """Of the values that there are; NaN where there is none."""
        return math.fsum(self.applicable) / len(self.applicable) if self.applicable else math.nan

    @classmethod
    def of(cls, values: Tensor) -> "Measured":
        """From one value for each sample."""
        return cls(tuple(values.double().tolist()))
