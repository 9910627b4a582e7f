"""Paired tests on the page: what is compared with what, and the lines of their table."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fedleak.analysis.conditions import condition_of
from fedleak.analysis.evidence import SIGNIFICANT, defense_words
from fedleak.formatting import DASH, number, p_value, signed
from fedleak.statistics.group import installed
from fedleak.statistics.paired_tests import Comparison

LINES = 300
"""Lines that are shown."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One comparison in words."""

    condition: str
    defense: str
    attack: str
    metric: str
    difference: str
    interval: str
    p_value: str
    pairs: int
    test: str
    sentence: str


def pairs(comparisons: Sequence[Comparison]) -> tuple[list[Pair], int]:
    """The lines in the order of the comparisons, without those that have no pair, and how many did not fit."""
    measured = [comparison for comparison in comparisons if comparison.pairs]
    return [_pair(comparison) for comparison in measured[:LINES]], max(0, len(measured) - LINES)


def _pair(comparison: Comparison) -> Pair:
    low, high = comparison.interval.low, comparison.interval.high
    return Pair(
        condition=condition_of(comparison.group).words,
        defense=defense_words(comparison.group.defense, comparison.group.sender),
        attack=comparison.group.attack,
        metric=comparison.group.metric,
        difference=signed(comparison.difference, ""),
        interval=DASH if math.isnan(low) else f"{number(low)} to {number(high)}",
        p_value=p_value(comparison.p_value),
        pairs=comparison.pairs,
        test=comparison.test,
        sentence=_sentence(comparison),
    )


def _sentence(comparison: Comparison) -> str:
    if comparison.difference == 0:
        return "the same"
    if not comparison.can_show(SIGNIFICANT):
        return "too few to tell"
    if comparison.p_value >= SIGNIFICANT:
        return "chance may explain it"
    metric = installed(comparison.group.metric)
    if metric is None:
        return "higher" if comparison.difference > 0 else "lower"
    return "more leaks" if metric.higher_is_better is (comparison.difference > 0) else "less leaks"
