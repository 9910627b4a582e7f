"""Rows that belong together as one figure: its mean and interval, its worst case, both baselines."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from fedleak.errors import ConfigError
from fedleak.metric import Metric, metrics
from fedleak.results import Row
from fedleak.statistics.group import Group, Sender, group_rows
from fedleak.statistics.intervals import Interval, Units, clopper_pearson, of_mean
from fedleak.statistics.tuning import tuned_variants

__all__ = ["Group", "Interval", "Sender", "Summary", "summarise"]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One figure of a run with all that it must be read beside. NaN where nothing was measured."""

    group: Group
    unit: str
    higher_is_better: bool
    """For the attacker: a higher value is more leakage."""
    mean: float
    """Over messages, each of which is a mean over its samples."""
    interval: Interval
    """Of the mean."""
    prior: float
    """Mean of the best constant guess over the same messages."""
    no_gradient: float
    """Mean of public examples drawn at random over the same messages."""
    gain_interval: Interval
    """Of how much more leaks than by the better of the two guesses, message by message; positive is more leakage."""
    samples: tuple[float, ...]
    """Every sample's value, in the order of the rows; NaN ones left out."""
    worst_case: float
    """The sample that leaked most."""
    threshold: float
    """The metric's own; see `Metric.threshold`."""
    share: float
    """Share of the samples that leaked to the threshold or beyond it."""
    share_interval: Interval
    messages: int
    """That have a figure."""
    seeds: int
    failures: Mapping[str, int]
    """Why messages have no figure, counted."""
    certified: int
    """Messages whose guess the attack proved."""
    tuned: bool
    """Whether tuning seeds chose this variant of its attack; false where nothing was tuned."""


def summarise(rows: Iterable[Row]) -> list[Summary]:
    """One summary for each group of test rows, in the order of the rows."""
    rows = tuple(rows)
    tuned = tuned_variants(rows)
    groups = group_rows(row for row in rows if row.split == "test")
    thresholds = {name: _threshold(name) for name in {group.metric for group in groups}}
    return [
        _summary(group, own, thresholds[group.metric], tuned=group.variant in tuned) for group, own in groups.items()
    ]


def _summary(group: Group, rows: Sequence[Row], threshold: float, *, tuned: bool) -> Summary:
    scored = [row for row in rows if math.isfinite(row.value)]
    samples = tuple(value for row in rows for value in row.per_sample if math.isfinite(value))
    higher = rows[0].higher_is_better
    leaked = sum(value >= threshold if higher else value <= threshold for value in samples)
    known = bool(samples) and not math.isnan(threshold)
    return Summary(
        group=group,
        unit=rows[0].unit,
        higher_is_better=higher,
        mean=_mean(row.value for row in scored),
        interval=_interval(scored, samples),
        prior=_mean(row.baseline for row in scored),
        no_gradient=_mean(row.no_gradient for row in scored),
        gain_interval=_gain_interval(scored, higher),
        samples=samples,
        worst_case=(max if higher else min)(samples, default=math.nan),
        threshold=threshold,
        share=leaked / len(samples) if known else math.nan,
        share_interval=clopper_pearson(leaked, len(samples) if known else 0, "sample"),
        messages=len(scored),
        seeds=len({row.seed for row in scored}),
        failures=Counter(row.reason or "no reason given" for row in rows if math.isnan(row.value)),
        certified=sum(row.certified for row in rows),
        tuned=tuned,
    )


def _interval(scored: Sequence[Row], samples: Sequence[float]) -> Interval:
    """Clopper-Pearson where the mean is a share of samples, else of a mean, within the metric's bounds."""
    if _is_share(scored, samples):
        return clopper_pearson(int(sum(samples)), len(samples), "sample")
    interval = of_mean(Units.of([row.value for row in scored], [row.seed for row in scored]))
    low, high = _bounds(scored[0].metric) if scored else (-math.inf, math.inf)
    return replace(interval, low=max(interval.low, low), high=min(interval.high, high))


def _gain_interval(scored: Sequence[Row], higher: bool) -> Interval:
    """In pairs: what a message that is easy to guess gives away is not the update's doing."""
    sign = 1.0 if higher else -1.0
    guesses = [[row.baseline for row in scored], [row.no_gradient for row in scored]]
    better = max(guesses, key=lambda guess: (not math.isnan(_mean(guess)), sign * _mean(guess)))
    pairs = [
        (sign * (row.value - guess), row.seed)
        for row, guess in zip(scored, better, strict=True)
        if math.isfinite(guess)
    ]
    return of_mean(Units.of([gain for gain, _ in pairs], [seed for _, seed in pairs]))


def _is_share(scored: Sequence[Row], samples: Sequence[float]) -> bool:
    """Whether samples either leaked or did not, and the mean over messages is the one over samples.

    The unit must say so too: errors that are 0 throughout are no share of anything.
    """
    equal = len({len(row.per_sample) for row in scored}) == 1
    return equal and bool(samples) and scored[0].unit.startswith("share") and {*samples} <= {0.0, 1.0}


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return math.fsum(known) / len(known) if known else math.nan


def _bounds(metric: str) -> tuple[float, float]:
    known = _installed(metric)
    return known.bounds if known else (-math.inf, math.inf)


def _threshold(metric: str) -> float:
    known = _installed(metric)
    return known.threshold if known else math.nan


def _installed(metric: str) -> type[Metric] | None:
    """None for the metric of a plug-in from elsewhere, in results that were brought here."""
    try:
        return metrics.get(metric)
    except ConfigError:
        return None
