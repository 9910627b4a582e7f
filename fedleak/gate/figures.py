"""The samples of a group as one figure with its interval."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from fedleak.gate.rule import Aggregate, AggregateName
from fedleak.results import Row
from fedleak.statistics.intervals import Interval
from fedleak.statistics.quantiles import percentile_interval
from fedleak.statistics.samples import Samples
from fedleak.statistics.shares import share_beyond
from fedleak.statistics.summary import Summary

Aggregated = tuple[float, Interval | None]


def figure(aggregate: Aggregate, summary: Summary, rows: Sequence[Row]) -> Aggregated:
    """The figure, NaN where nothing was measured, and its interval; none for an extreme, which is what was seen."""
    of: dict[AggregateName, Callable[[], Aggregated]] = {
        "mean": lambda: (summary.mean, summary.interval),
        "median": lambda: _percentile(50.0, summary, rows),
        "percentile": lambda: _percentile(aggregate.number or 0.0, summary, rows),
        "min": lambda: (min(summary.samples, default=math.nan), None),
        "max": lambda: (max(summary.samples, default=math.nan), None),
        "worst": lambda: (summary.worst_case, None),
        "share": lambda: _share(aggregate.number, summary, rows),
    }
    return of[aggregate.name]()


def _percentile(percentile: float, summary: Summary, rows: Sequence[Row]) -> Aggregated:
    value = float(np.percentile(summary.samples, percentile)) if summary.samples else math.nan
    return value, percentile_interval(rows, percentile)


def _share(threshold: float | None, summary: Summary, rows: Sequence[Row]) -> Aggregated:
    if threshold is None:
        return summary.share, summary.share_interval
    return share_beyond(rows, Samples.of(rows), threshold)
