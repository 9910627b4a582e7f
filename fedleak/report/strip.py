"""Strip chart of a cell: every sample, the mean with its interval, and the blind guesses on the scale of the table."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fedleak.statistics.summary import Summary

WIDTH = 188.0
EDGE = 4.0
DOTS = 40
"""Samples drawn at most; evenly chosen from all."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Maps values from `low` to `high` onto places from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """The place of a value, held within the strip."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return round(self.start + min(max(share, 0.0), 1.0) * (self.end - self.start), 1)


@dataclass(frozen=True, kw_only=True)
class Strip:
    """Places along the strip; more leakage is further right. None: there is no such figure."""

    mean: float
    interval: tuple[float, float] | None
    prior: float | None
    no_access: float | None
    class_mean: float | None
    threshold: float | None
    samples: tuple[float, ...]


def scale_of(summaries: Sequence[Summary]) -> Scale | None:
    """One scale for all strips of a table, turned so that more leakage is right."""
    values = [value for summary in summaries for value in _values(summary) if math.isfinite(value)]
    if not values:
        return None
    low, high = min(values), max(values)
    ends = (EDGE, WIDTH - EDGE) if summaries[0].higher_is_better else (WIDTH - EDGE, EDGE)
    return Scale(low=low, high=high, start=ends[0], end=ends[1])


def strip_of(summary: Summary, scale: Scale | None) -> Strip | None:
    """The strip of one cell; None where it has no figure."""
    if scale is None or math.isnan(summary.mean):
        return None
    ends = (summary.interval.low, summary.interval.high)
    low, high = sorted(scale.at(end) for end in ends) if not any(map(math.isnan, ends)) else (None, None)
    every = max(1, math.ceil(len(summary.samples) / DOTS))
    return Strip(
        mean=scale.at(summary.mean),
        interval=None if low is None or high is None else (low, high),
        prior=_place(summary.prior, scale),
        no_access=_place(summary.no_access, scale),
        class_mean=_place(summary.class_mean, scale),
        threshold=_place(summary.threshold, scale),
        samples=tuple(dict.fromkeys(scale.at(value) for value in sorted(summary.samples)[::every])),
    )


def _place(value: float, scale: Scale) -> float | None:
    return None if math.isnan(value) else scale.at(value)


def _values(summary: Summary) -> Iterable[float]:
    if math.isnan(summary.mean):
        return ()
    return (
        *summary.samples, summary.mean, summary.interval.low, summary.interval.high, summary.prior,
        summary.no_access, summary.class_mean, summary.threshold,
    )  # fmt: skip
