"""Summary of rows that belong together: mean and interval, worst case, blind guesses and oracles."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fedleak.results.row import Row
from fedleak.statistics.gain import gain_of
from fedleak.statistics.group import Group, Sender, bounds_of, group_rows, installed
from fedleak.statistics.intervals import Interval, Units, counted, of_mean, too_few
from fedleak.statistics.samples import Samples, hit_or_miss, mean_share_interval, share_beyond
from fedleak.statistics.tuning import tuned_variants

FIRST_LAYER = "first layer:"
"""How a certificate begins that says nothing of the layers behind the first."""
__all__ = ["Group", "Interval", "Sender", "Summary", "summarize", "summary_of"]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One figure of a run with all that it must be read beside. NaN where nothing was measured."""

    group: Group
    unit: str
    higher_is_better: bool
    """For the attacker: a higher value is more leakage."""
    mean: float
    """Mean over messages of the mean over their samples."""
    interval: Interval
    """Of the mean."""
    prior: float
    """Mean of the best constant guess over the same messages."""
    no_access: float
    """Mean over the same messages of what is guessed without access; its goal says what guesses."""
    class_mean: float = math.nan
    """Of images: mean of the mean public image of each label that was inferred."""
    single_color: float = math.nan
    """An oracle, of images: mean of the best patch of one color."""
    nearest_public: float = math.nan
    """An oracle, of images: mean of the nearest public example."""
    gain: float
    """How much more leaks than by the best of the blind guesses, the same for all samples; positive is more leakage."""
    gain_interval: Interval
    beats_guessing: bool | None
    """Whether guessing alone would hardly do as well; None where there are too few messages to tell."""
    samples: tuple[float, ...]
    """Every sample's value, in the order of the rows; NaN ones left out."""
    leaked: int
    """Samples at the threshold or past it that also beat by the metric's margin what each guess and oracle gives."""
    worst_case: float
    """The sample that leaked most."""
    threshold: float
    """Of the metric in this task; see `fedleak.evaluation.references`."""
    share: float
    """Share of the samples that leaked to the threshold or beyond it."""
    share_interval: Interval
    messages: int
    """That have a figure."""
    failed: int
    """Messages that the metric could judge and that have no figure."""
    seeds: int
    failures: Mapping[str, int]
    """Why messages have no figure, counted; also where the metric does not apply."""
    certifiable: int
    """Messages where the attack had a test that could have proved its guess."""
    certified: int
    """Messages whose guess the attack proved."""
    partly: int
    """Of these, the messages where the proof is of the first layer's part of the update alone."""
    diagnoses: Mapping[str, tuple[int, str]]
    """Why guesses do not fit, by trouble, the most frequent first: in how many messages, and the words of the first."""
    nothing_to_gain: bool = False
    """Whether the public data has examples of all that was asked about, in every message."""
    tuned: bool
    """Whether tuning seeds chose this variant of its attack; false where nothing was tuned."""


def summarize(rows: Iterable[Row]) -> list[Summary]:
    """One summary for each group of test rows, in the order of the rows."""
    rows = tuple(rows)
    tuned = tuned_variants(rows)
    groups = group_rows(row for row in rows if row.split == "test")
    return [summary_of(group, own, tuned=group.variant in tuned) for group, own in groups.items()]


def summary_of(group: Group, rows: Sequence[Row], *, tuned: bool = False) -> Summary:
    """The summary of the rows of one group."""
    scored = [row for row in rows if math.isfinite(row.value)]
    samples = Samples.of(rows)
    values = tuple(samples.values.tolist())
    higher = rows[0].higher_is_better
    metric = installed(group.metric)
    threshold, margin = threshold_of(rows), metric.margin if metric else math.nan
    gain = gain_of(rows, samples, threshold=threshold, margin=margin)
    nothing = math.nan, too_few(counted(0, "message"))
    share, share_interval = nothing if math.isnan(threshold) else share_beyond(rows, samples, threshold)
    return Summary(
        group=group,
        unit=rows[0].unit,
        higher_is_better=higher,
        mean=_mean(row.value for row in scored),
        interval=_interval(rows, samples).of_each(group.carrier),
        prior=_mean(row.baseline for row in scored),
        no_access=_mean(row.no_access for row in scored),
        class_mean=_mean(row.class_mean for row in scored),
        single_color=_mean(row.single_color for row in scored),
        nearest_public=_mean(row.nearest_public for row in scored),
        gain=gain.mean,
        gain_interval=gain.interval.of_each(group.carrier),
        beats_guessing=gain.beats_guessing,
        samples=values,
        leaked=gain.leaked,
        worst_case=(max if higher else min)(values, default=math.nan),
        threshold=threshold,
        share=share,
        share_interval=share_interval.of_each(group.carrier),
        messages=len(scored),
        failed=sum(row.applicable and not math.isfinite(row.value) for row in rows),
        seeds=len({row.seed for row in scored}),
        failures=Counter(row.reason or "no reason given" for row in rows if math.isnan(row.value)),
        certifiable=sum(row.certifiable for row in rows),
        certified=sum(row.certified for row in rows),
        partly=sum((row.certificate or "").startswith(FIRST_LAYER) for row in rows),
        diagnoses=_diagnoses(rows),
        nothing_to_gain=bool(scored) and all(row.known_classes == len(row.per_sample) for row in scored),
        tuned=tuned,
    )


def threshold_of(rows: Sequence[Row]) -> float:
    """The one that the rows of a group were scored with, the strictest; of earlier versions, the metric's own."""
    metric = installed(rows[0].metric)
    own = math.nan if metric is None else metric.threshold
    known = [row.threshold for row in rows if math.isfinite(row.threshold)]
    return (max if rows[0].higher_is_better else min)(known, default=own)


def _diagnoses(rows: Iterable[Row]) -> dict[str, tuple[int, str]]:
    known = [(row.trouble, row.diagnosis) for row in rows if row.trouble is not None and row.diagnosis is not None]
    words = dict(reversed(known))
    return {
        trouble: (count, words[trouble]) for trouble, count in Counter(trouble for trouble, _ in known).most_common()
    }


def _interval(rows: Sequence[Row], samples: Samples) -> Interval:
    """Of the mean over messages, within the metric's bounds."""
    scored = [(place, row) for place, row in enumerate(rows) if math.isfinite(row.value)]
    values, seeds = [row.value for _, row in scored], [row.seed for _, row in scored]
    if hit_or_miss(rows[0].unit, samples.values):
        sizes = np.bincount(samples.message, minlength=len(rows))
        return mean_share_interval(values, [int(sizes[place]) for place, _ in scored], seeds)
    return of_mean(Units.of(values, seeds), bounds_of(rows[0].metric, rows))


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return math.fsum(known) / len(known) if known else math.nan
