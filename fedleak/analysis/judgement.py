"""Judgement of a figure: leaked, beyond guessing, not beyond guessing, or too few to tell."""

import math
from collections.abc import Iterable

from fedleak.goals.goal import Goal
from fedleak.goals.goals import GOALS
from fedleak.goals.judgement import Judgement
from fedleak.statistics.group import installed, speaks
from fedleak.statistics.summary import Summary

__all__ = [
    "BASELINES",
    "FOUND",
    "GRAVITY",
    "KINDS",
    "Judgement",
    "badness",
    "blind_guesses",
    "by_luck",
    "guessing",
    "hits",
    "judge",
    "kind_of",
    "leakage",
    "leaks",
    "more",
    "of_labels",
    "portion",
    "reached",
]

BASELINES = ("prior", "no-access", "class-mean")
"""Attacks that ignore the update, or all but the labels in it and guess images alone: what they get is guessing, never
a finding, and that they got nothing shows nothing."""
KINDS: tuple[str, ...] = tuple(GOALS)
"""What a metric may judge; images first."""
HIT_OR_MISS = frozenset(goal.name for goal in GOALS.values() if goal.hit_or_miss)
"""Where guessing hits some samples as well, so that a single hit is no finding; a metric may say otherwise."""


def kind_of(metric: str) -> str:
    """What a metric judges, one of `KINDS`; of one that is not installed, `unknown`."""
    known = installed(metric)
    return "unknown" if known is None else known.compares


GRAVITY = tuple(Judgement)
"""From the worst news to none."""
FOUND = (Judgement.LEAKED, Judgement.BEYOND)
"""Something was found; the others are clean bills or none."""


def judge(summary: Summary) -> Judgement:
    """The judgement of one summary: first of its samples, then of its mean.

    An image that was rebuilt has leaked whatever the mean says. A label is hit or missed, and guessing hits some, so
    labels have leaked only where guessing would hardly hit as many; so have members, answers to questions and classes.
    """
    if math.isnan(summary.mean):
        return Judgement.MISSING
    if summary.group.algorithm in BASELINES:
        return Judgement.BLIND
    if not speaks(summary.group.metric):
        return Judgement.BESIDE
    if summary.nothing_to_gain:
        return Judgement.NO_GAIN
    if leaks(summary):
        return Judgement.LEAKED
    if math.isnan(summary.gain) or summary.beats_guessing is None:
        return Judgement.TOO_FEW
    if summary.beats_guessing:
        return Judgement.BEYOND
    return Judgement.UNCLEAR if summary.gain > 0 else Judgement.NOTHING


def leaks(summary: Summary) -> bool:
    """Whether single samples leaked: an image that was rebuilt or proved is no matter of chance, a label may be.

    A certified guess includes its labels, so where all of them are right, that is no luck either.
    """
    found = hits(summary)
    if not by_luck(summary):
        return found > 0 or summary.certified > 0
    proved = summary.certified == summary.messages and found == len(summary.samples)
    return found > 0 and (summary.beats_guessing is True or proved)


def of_labels(summary: Summary) -> bool:
    """Whether the samples are labels, hit or missed."""
    return kind_of(summary.group.metric) == "labels"


def by_luck(summary: Summary) -> bool:
    """Whether guessing hits some of the samples too, so that what counts is how many."""
    known = installed(summary.group.metric)
    if known is not None and known.hit_or_miss is not None:
        return known.hit_or_miss
    return kind_of(summary.group.metric) in HIT_OR_MISS


def hits(summary: Summary) -> int:
    """Images that were rebuilt, which guessing does not do for them; labels and answers that were right; members."""
    return reached(summary) if by_luck(summary) else summary.leaked


def reached(summary: Summary) -> int:
    """Samples at the threshold or beyond it, whatever guessing gives for them."""
    return 0 if math.isnan(summary.share) else round(summary.share * len(summary.samples))


def portion(summary: Summary) -> float:
    """The share of the samples that leaked."""
    return hits(summary) / len(summary.samples) if summary.samples else 0.0


def guessing(summary: Summary) -> float:
    """What the best of the blind guesses gives for these messages; NaN where there is none."""
    if not math.isnan(summary.gain):
        return summary.mean - summary.gain if summary.higher_is_better else summary.mean + summary.gain
    known = [value for value in (summary.prior, summary.no_access, summary.class_mean) if not math.isnan(value)]
    return (max if summary.higher_is_better else min)(known, default=math.nan)


def blind_guesses(summaries: Iterable[Summary]) -> tuple[str, ...]:
    """What stands in for no access, for all that is judged, as words."""
    kinds = dict.fromkeys(kind_of(one.group.metric) for one in summaries)
    return tuple(dict.fromkeys(GOALS[kind].blindly if kind in GOALS else Goal.blindly for kind in kinds))


def more(summary: Summary, value: float, other: float) -> float:
    """By how much `value` leaks more than `other`."""
    return value - other if summary.higher_is_better else other - value


def leakage(summary: Summary) -> float:
    """From 0, guessing does as well, to 1, every sample leaked; at least 3/4 where single ones did, else at most half.

    Below that it is the gain, as a part of what a mean sample would need to reach the threshold.
    """
    if judge(summary) is Judgement.LEAKED:
        return 0.75 + 0.25 * portion(summary)
    whole = more(summary, summary.threshold, guessing(summary))
    if math.isnan(whole) or whole <= 0:
        return 0.5 if summary.gain > 0 else 0.0
    return 0.5 * min(max(summary.gain / whole, 0.0), 1.0)


def badness(summary: Summary) -> tuple[int, float, float]:
    """Sorts summaries, the one that leaked most first."""
    gain = summary.gain
    return GRAVITY.index(judge(summary)), -portion(summary), -gain if not math.isnan(gain) else math.inf
