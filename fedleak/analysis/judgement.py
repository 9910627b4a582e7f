"""What may be said of a figure: leaked, or not beyond guessing, or too little to tell. The rules of the whole page."""

import math
from collections.abc import Iterable, Sequence
from enum import StrEnum

from fedleak.statistics.group import installed
from fedleak.statistics.summary import Summary
from fedleak.statistics.tuning import contest_of

# What a metric judges, images, labels or answers to questions, and the words for it.

KINDS = ("inputs", "labels", "membership", "properties")
"""What a metric may judge; images first."""


NOUNS = {"inputs": "image", "labels": "label", "membership": "member", "properties": "question"}


VERBS = {"inputs": "rebuilt", "labels": "read", "membership": "found", "properties": "answered"}


HIT_OR_MISS = frozenset({"labels", "membership", "properties"})
"""Where guessing hits some samples as well, so that a single hit is no finding."""


def kind_of(metric: str) -> str:
    """What a metric judges, one of `KINDS`; of one that is not installed, `unknown`."""
    known = installed(metric)
    return "unknown" if known is None else known.compares


SHADES = 5
"""Steps of the matrix's colour, none to full."""


BLIND = frozenset({"prior", "no-gradient"})
"""Attacks that ignore the update: what they get is guessing, and never a finding."""


class Judgement(StrEnum):
    """What a summary allows one to say, in the words that stand in its cell."""

    LEAKED = "leaked"
    """At least one image was rebuilt, or a guess was proved; of labels, more were read than guessing explains."""
    BEYOND = "beyond guessing"
    """No image was rebuilt, but guessing alone would hardly come as near."""
    UNCLEAR = "unclear"
    """Better than guessing on average, which chance may explain."""
    TOO_FEW = "too few to tell"
    """Too few messages, or nothing to compare with."""
    NOTHING = "not beyond guessing"
    """No better than guessing on average."""
    MISSING = "no figure"
    """Nothing was measured."""
    BLIND = "a blind guess"
    """An attack that ignores the update."""


GRAVITY = tuple(Judgement)
"""From the worst news to none."""


FOUND = (Judgement.LEAKED, Judgement.BEYOND)
"""Something was found; the others are clean bills or none."""


def judge(summary: Summary) -> Judgement:
    """The judgement of one summary: first of its samples, then of its mean.

    An image that was rebuilt has leaked whatever the mean says. A label is hit or missed, and guessing hits some, so
    labels have leaked only where guessing would hardly hit as many; so have members and answers to questions.
    """
    if math.isnan(summary.mean):
        return Judgement.MISSING
    if summary.group.algorithm in BLIND:
        return Judgement.BLIND
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
    return kind_of(summary.group.metric) in HIT_OR_MISS


def hits(summary: Summary) -> int:
    """Images that were rebuilt, which guessing does not do for them; labels and answers that were right; members."""
    return reached(summary) if by_luck(summary) else summary.leaked


def reached(summary: Summary) -> int:
    """Samples at the threshold or beyond it, whatever guessing gives for them."""
    return 0 if math.isnan(summary.share) else round(summary.share * len(summary.samples))


def guessing(summary: Summary) -> float:
    """What guessing gives for these messages, for each sample the better of two guesses; NaN where there is none."""
    if not math.isnan(summary.gain):
        return summary.mean - summary.gain if summary.higher_is_better else summary.mean + summary.gain
    known = [value for value in (summary.prior, summary.no_gradient) if not math.isnan(value)]
    return (max if summary.higher_is_better else min)(known, default=math.nan)


def more(summary: Summary, value: float, other: float) -> float:
    """By how much `value` leaks more than `other`."""
    return value - other if summary.higher_is_better else other - value


def portion(summary: Summary) -> float:
    """The share of the samples that leaked."""
    return hits(summary) / len(summary.samples) if summary.samples else 0.0


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


def shade(summary: Summary) -> int | None:
    """The step of colour, from 0 to `SHADES - 1`; None where nothing can be said."""
    if judge(summary) in (Judgement.MISSING, Judgement.TOO_FEW, Judgement.BLIND):
        return None
    return round(leakage(summary) * (SHADES - 1))


def badness(summary: Summary) -> tuple[int, float, float]:
    """Sorts summaries, the one that leaked most first."""
    gain = summary.gain
    return GRAVITY.index(judge(summary)), -portion(summary), -gain if not math.isnan(gain) else math.inf


# Which figure stands for leakage where several attacks, their variants and several metrics tell of it.


def attackers(summaries: Iterable[Summary]) -> list[Summary]:
    """Without the attacks that ignore the update."""
    return [summary for summary in summaries if summary.group.algorithm not in BLIND]


def measured_metrics(summaries: Iterable[Summary], kind: str) -> list[str]:
    """The metrics on such things that have a figure anywhere, in the order of the results."""
    measured = dict.fromkeys(summary.group.metric for summary in summaries if not math.isnan(summary.mean))
    return [metric for metric in measured if kind_of(metric) == kind]


def headline(summaries: Iterable[Summary], kind: str) -> str | None:
    """The first metric on such things that has a figure anywhere: the one that the page speaks in."""
    return next(iter(measured_metrics(summaries, kind)), None)


def eligible(summaries: Sequence[Summary]) -> list[Summary]:
    """Without the variants of an attack that tuning seeds did not choose: the best of many on test seeds is luck."""
    tuned = {contest_of(summary.group) for summary in summaries if summary.tuned}
    return [summary for summary in summaries if summary.tuned or contest_of(summary.group) not in tuned]


def strongest(summaries: Sequence[Summary]) -> Summary | None:
    """The summary with the gravest judgement, by any attack that uses the update and any metric.

    Where something was found, the variant that tuning chose speaks for it, if it found as much. A clean bill is only as
    good as the worst of all variants. Of equals the first metric speaks.
    """
    known = attackers(summaries)
    chosen = {summary.group for summary in eligible(known)}
    order = {metric: i for i, metric in enumerate(dict.fromkeys(summary.group.metric for summary in known))}

    def rank(summary: Summary) -> tuple[int, bool, int, float, float]:
        gravity, leaked, gain = badness(summary)
        passed_over = judge(summary) in FOUND and summary.group not in chosen
        return gravity, passed_over, order[summary.group.metric], leaked, gain

    return min(known, key=rank, default=None)
