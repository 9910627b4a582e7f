"""Paired tests: the same cells under two defenses, or in two runs.

Limits: the t-test takes the differences of its units as independent and near to normal, so with fewer than 5 seeds,
where messages are the units although those of a seed share their model, its p-values are optimistic.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtr

from fedleak.errors import ConfigError, did_you_mean
from fedleak.results import Row
from fedleak.statistics.group import Group, group_rows
from fedleak.statistics.intervals import Interval, Units, of_mean

ROUNDING = 1e-9
"""Part of a figure that another machine's arithmetic may change; smaller differences count as none."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How much more leaks in `group` than in `reference`, on the cells that both have."""

    group: Group
    reference: Group
    difference: float
    """Mean of (group - reference) over pairs, in the metric's unit; its sign is the metric's, not the attacker's."""
    interval: Interval
    p_value: float
    """Two-sided paired test, corrected for the number of comparisons of its metric (Holm); NaN where there are too
    few pairs."""
    pairs: int
    test: str
    """In words: "paired t-test over 8 messages"."""


def compare_defenses(rows: Sequence[Row], reference: str) -> list[Comparison]:
    """Each defense against the one called `reference`, on the same task, setting, attack, seed, round and client.

    Test rows only; a defense whose messages the reference has none like (a sum against single clients) is left out.
    """
    groups = _test_groups(rows)
    known = {group.defense for group in groups}
    if groups and reference not in known:
        raise ConfigError(f"no defense of this run is called '{reference}'{did_you_mean(reference, known)}")
    pairs = {group: replace(group, defense=reference) for group in groups if group.defense != reference}
    return _corrected([_comparison(g, groups[g], r, groups[r]) for g, r in pairs.items() if r in groups])


def compare_runs(new: Iterable[Row], old: Iterable[Row]) -> list[Comparison]:
    """Each group of `new` against the same group of `old`, on the cells that both have; test rows only."""
    old_groups = _test_groups(old)
    groups = {group: rows for group, rows in _test_groups(new).items() if group in old_groups}
    return _corrected([_comparison(group, rows, group, old_groups[group]) for group, rows in groups.items()])


def holm(p_values: Sequence[float]) -> list[float]:
    """Each p-value as it must be read when all are looked at together; NaN stays NaN and does not count.

    The smallest times the number of tests, the next times one less, and so on, none below the one before it.
    Source: Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure", https://www.jstor.org/stable/4615733.
    """
    tests = sorted((i for i, p in enumerate(p_values) if not math.isnan(p)), key=p_values.__getitem__)
    corrected, least = list(p_values), 0.0
    for place, i in enumerate(tests):
        least = max(least, min(1.0, (len(tests) - place) * p_values[i]))
        corrected[i] = least
    return corrected


def paired_t_test(units: Units, scale: float) -> float:
    """The probability of differences as far from 0 if nothing differed; `scale` is the size of what was compared.

    Differences that are all the same have no spread to judge by: 1 where they are 0; else 0 from three units on and
    NaN below, for two that agree may do so by chance.
    """
    count, means = len(units), units.means
    if count < 2:
        return math.nan
    if np.ptp(means) > ROUNDING * scale:
        t = means.mean() / (means.std(ddof=1) / math.sqrt(count))
        return float(2 * stdtr(count - 1, -abs(t)))
    if abs(means.mean()) <= ROUNDING * scale:
        return 1.0
    return 0.0 if count > 2 else math.nan


def _test_groups(rows: Iterable[Row]) -> dict[Group, list[Row]]:
    return group_rows(row for row in rows if row.split == "test")


def _comparison(group: Group, rows: Sequence[Row], reference: Group, reference_rows: Sequence[Row]) -> Comparison:
    mine, other = _by_message(rows), _by_message(reference_rows)
    both = [message for message in mine if message in other]
    scale = max((abs(figures[message]) for figures in (mine, other) for message in both), default=0.0)
    differences = [mine[message] - other[message] for message in both]
    real = [d if abs(d) > ROUNDING * scale else 0.0 for d in differences]
    units = Units.of(real, [seed for seed, _, _ in both])
    return Comparison(
        group=group,
        reference=reference,
        difference=math.fsum(real) / len(real) if real else math.nan,
        interval=of_mean(units),
        p_value=paired_t_test(units, scale),
        pairs=len(both),
        test=f"paired t-test over {units}" if len(units) > 1 else f"too few: {units}",
    )


def _by_message(rows: Sequence[Row]) -> Mapping[tuple[int, int, object], float]:
    """The figure of each message that has one, by seed, round and sender."""
    return {(row.seed, row.round, row.client): row.value for row in rows if math.isfinite(row.value)}


def _corrected(comparisons: list[Comparison]) -> list[Comparison]:
    """Each metric asks a question of its own, so its comparisons are one family."""
    corrected = list(comparisons)
    for metric in {comparison.group.metric for comparison in comparisons}:
        places = [i for i, comparison in enumerate(comparisons) if comparison.group.metric == metric]
        for i, p_value in zip(places, holm([comparisons[i].p_value for i in places]), strict=True):
            corrected[i] = replace(comparisons[i], p_value=p_value)
    return corrected
