"""The samples of many messages side by side, each with the guess that needs no update."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from fedleak.results.row import Row


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
