"""What may be said of a figure: leaked, or not beyond guessing, or too little to tell. The rules of the whole page."""

import math
from enum import StrEnum

from fedleak.statistics.summary import Summary

SHADES = 5
"""Steps of the matrix's colour, none to full."""


class Judgement(StrEnum):
    """What a summary allows one to say, in the words that stand in its cell."""

    LEAKED = "leaked"
    """Beyond guessing, and at least one sample at the metric's threshold or past it."""
    BEYOND = "beyond guessing"
    """Beyond guessing, but no sample at the threshold."""
    UNCLEAR = "unclear"
    """More than guessing on average, but the interval reaches down to it."""
    TOO_FEW = "too few to tell"
    """A mean without an interval, or nothing to compare it with."""
    NOTHING = "not beyond guessing"
    """No more than guessing on average."""
    MISSING = "no figure"
    """Nothing was measured."""


GRAVITY = tuple(Judgement)
"""From the worst news to none."""


def judge(summary: Summary) -> Judgement:
    """The judgement of one summary: "beyond" is only said where the interval's end that leaks less is beyond.

    Of labels, which are hit or missed, the gain in pairs must be beyond too: what guessing hits of a few is luck as
    well, and one hit of four looks like leakage beside a guess that had none.
    """
    if math.isnan(summary.mean):
        return Judgement.MISSING
    if any(math.isnan(value) for value in (cautious(summary), guessing(summary), _gain(summary))):
        return Judgement.TOO_FEW
    if beyond(summary, cautious(summary)) > 0 and _gain(summary) > 0:
        return Judgement.LEAKED if leaked(summary) else Judgement.BEYOND
    return Judgement.UNCLEAR if beyond(summary, summary.mean) > 0 else Judgement.NOTHING


def _gain(summary: Summary) -> float:
    """The end of the gain's interval that leaks less, where it decides."""
    return summary.gain_interval.low if summary.unit.startswith("share") else math.inf


def guessing(summary: Summary) -> float:
    """What the better of the two guesses without the update gives, NaN where there is neither."""
    known = [value for value in (summary.prior, summary.no_gradient) if not math.isnan(value)]
    return (max if summary.higher_is_better else min)(known, default=math.nan)


def cautious(summary: Summary) -> float:
    """The end of the interval that leaks less."""
    return summary.interval.low if summary.higher_is_better else summary.interval.high


def beyond(summary: Summary, value: float) -> float:
    """By how much `value` leaks more than guessing; negative where it leaks less."""
    return more(summary, value, guessing(summary))


def more(summary: Summary, value: float, other: float) -> float:
    """By how much `value` leaks more than `other`."""
    return value - other if summary.higher_is_better else other - value


def leaked(summary: Summary) -> int:
    """Samples at the threshold or beyond it."""
    return 0 if math.isnan(summary.share) else round(summary.share * len(summary.samples))


def leakage(summary: Summary) -> float:
    """0: guessing does as well; 1: a mean sample counts as leaked. NaN where nothing can be said."""
    gain, whole = beyond(summary, summary.mean), beyond(summary, summary.threshold)
    if math.isnan(gain):
        return math.nan
    if math.isnan(whole) or whole <= 0:
        return float(gain > 0)
    return min(max(gain / whole, 0.0), 1.0)


def shade(summary: Summary) -> int | None:
    """The step of colour, from 0 to `SHADES - 1`; None where nothing can be said."""
    if judge(summary) in (Judgement.MISSING, Judgement.TOO_FEW):
        return None
    return round(leakage(summary) * (SHADES - 1))


def badness(summary: Summary) -> tuple[int, float]:
    """Sorts summaries, the one that leaked most first."""
    gain = beyond(summary, summary.mean)
    return GRAVITY.index(judge(summary)), -gain if not math.isnan(gain) else math.inf
