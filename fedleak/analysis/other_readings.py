"""Other readings: what attackers get from messages besides the figure that a limit is on, and how much it may be."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fedleak.analysis.judgement import FOUND, KINDS, guessing, judge, kind_of, portion
from fedleak.analysis.strongest import attackers, strongest
from fedleak.formatting import figure
from fedleak.results.row import Row
from fedleak.statistics.group import Group, installed
from fedleak.statistics.samples import Samples, share_limit
from fedleak.statistics.summary import Summary, threshold_of

IMAGES = KINDS[0]


@dataclass(frozen=True, kw_only=True)
class Other:
    """What else is read from the messages, of a kind of things or by another metric on the same kind."""

    summary: Summary
    """The one with the gravest judgement."""
    share: float
    """Of images, how many were rebuilt; of other things 0: their judgement speaks."""
    at_most: float
    """The most that may be read beyond guessing (97.5%); messages where the attack failed count as read."""

    @classmethod
    def of_kind(cls, summaries: Sequence[Summary]) -> "Other":
        """Of labels, members or properties."""
        return cls(summary=_gravest(summaries), share=0.0, at_most=max(map(_gain_at_most, summaries)))

    @classmethod
    def of_images(cls, summaries: Sequence[Summary], groups: Mapping[Group, Sequence[Row]]) -> "Other":
        """Of images by another metric."""
        shares = [_rebuilt(groups[one.group]) for one in summaries]
        return cls(summary=_gravest(summaries), share=max(map(portion, summaries)), at_most=max(shares))

    def found(self, max_share: float) -> bool:
        """Whether more was read than may be."""
        return self.share > max_share if _of_images(self.summary) else judge(self.summary) in FOUND


def other_readings(
    summaries: Sequence[Summary], groups: Mapping[Group, Sequence[Row]], metric: str
) -> dict[str, Other | None]:
    """By kind, of images by metric, but for what the limit's own `metric` judges; None for what nobody tried."""
    tried = [one for one in attackers(summaries) if one.group.metric != metric and (one.messages or one.failed)]
    images = _metrics([one for one in tried if _of_images(one)], groups)
    unseen = {} if images or kind_of(metric) == IMAGES else {IMAGES: None}
    return {**unseen, **images, **_kinds(tried, kind_of(metric))}


def read_in_words(name: str, other: Other) -> str:
    """`labels: leaked (label-recall 0.95 by bias-sign, guessing 0.30)`."""
    summary = other.summary
    if not summary.messages:
        return f"{name}: no attack on them has a figure"
    found = f"{summary.group.metric} {figure(summary.mean)} by {summary.group.attack}"
    return f"{name}: {judge(summary)} ({found}, guessing {figure(guessing(summary))})"


def _of_images(summary: Summary) -> bool:
    """Whether the figure is of images, which guessing does not rebuild."""
    return kind_of(summary.group.metric) == IMAGES


def _metrics(own: Sequence[Summary], groups: Mapping[Group, Sequence[Row]]) -> dict[str, Other]:
    names = dict.fromkeys(one.group.metric for one in own)
    return {name: Other.of_images([one for one in own if one.group.metric == name], groups) for name in names}


def _kinds(tried: Sequence[Summary], limited: str) -> dict[str, Other | None]:
    others = [kind for kind in KINDS if kind not in (IMAGES, limited)]
    by_kind = {kind: [one for one in tried if kind_of(one.group.metric) == kind] for kind in others}
    return {kind: Other.of_kind(own) if own else None for kind, own in by_kind.items()}


def _gravest(summaries: Sequence[Summary]) -> Summary:
    return strongest(summaries) or summaries[0]


def _gain_at_most(summary: Summary) -> float:
    """The upper end of the gain's interval; a share of the messages of which there is no figure counts as read."""
    high = summary.gain_interval.high
    if math.isnan(high):
        return math.inf
    return (max(high, 0.0) * summary.messages + summary.failed) / (summary.messages + summary.failed)


def _rebuilt(rows: Sequence[Row]) -> float:
    """The upper limit of the share of the images that an attack rebuilt, by the report's rule."""
    samples, metric = Samples.of(rows), installed(rows[0].metric)
    leaked = samples.leaked(threshold_of(rows), metric.margin if metric else math.nan)
    hits = np.bincount(samples.message, weights=leaked, minlength=len(rows)).astype(int)
    sizes = np.bincount(samples.message, minlength=len(rows))
    return share_limit(hits.tolist(), sizes.tolist(), [row.seed for row in rows])
