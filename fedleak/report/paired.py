"""The paired tests: what is compared with what, and the lines of their table."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fedleak.formatting import DASH, number, p_value, signed
from fedleak.report.conditions import Condition, condition_of, condition_of_row, defense_words
from fedleak.report.judgement import BLIND
from fedleak.results.row import Row
from fedleak.statistics.comparison import Comparison, compare_defenses
from fedleak.statistics.installed import installed

LINES = 300
SIGNIFICANT = 0.05


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
    says: str


def references_of(rows: Sequence[Row], defended: Mapping[tuple[Condition, str], bool]) -> dict[Condition, str]:
    """For each condition what its defenses are compared with: none at all where it has that, else the run's first."""
    names: dict[Condition, dict[str, None]] = {}
    for row in rows:
        names.setdefault(condition_of_row(row), {})[row.defense] = None
    first = next((row.defense for row in rows), "")
    return {
        where: next((name for name in own if not defended.get((where, name), True)), first)
        for where, own in names.items()
    }


def comparisons_of(rows: Sequence[Row], references: Mapping[Condition, str]) -> list[Comparison]:
    """The paired tests of all conditions; what ignores the update is not compared."""
    found: list[Comparison] = []
    for name in dict.fromkeys(references.values()):
        own = [row for row in rows if references[condition_of_row(row)] == name and row.algorithm not in BLIND]
        if any(row.defense == name for row in own):
            found += compare_defenses(own, name)
    return found


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
        says=_says(comparison),
    )


def _says(comparison: Comparison) -> str:
    if comparison.difference == 0:
        return "the same"
    if math.isnan(comparison.p_value):
        return "too few pairs to tell"
    if comparison.p_value >= SIGNIFICANT:
        return "chance may explain it"
    metric = installed(comparison.group.metric)
    if metric is None:
        return "higher" if comparison.difference > 0 else "lower"
    return "more leaks" if metric.higher_is_better is (comparison.difference > 0) else "less leaks"
