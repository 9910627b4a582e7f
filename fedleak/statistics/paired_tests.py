"""Paired tests (t, sign, Holm's correction): the same cells under two defenses, by two attacks, or in two runs.

Limits: every test takes its units as independent, so with fewer than 5 seeds, where messages are the units although
those of a seed share their model, p-values are optimistic; the t-test takes their differences as near to normal too.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import bdtr, stdtr

from fedleak.errors import ConfigError, did_you_mean
from fedleak.results.row import Row
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
    """Two-sided paired test, corrected for the comparisons that it is looked at with (Holm); NaN where there are too
    few pairs."""
    pairs: int
    test: str
    """In words: "paired t-test over 8 messages of 2 seeds", "exact sign test over 6 seeds"."""


def compare_defenses(rows: Sequence[Row], reference: str) -> list[Comparison]:
    """Each defense against the one called `reference`, on the same task, setting, attack, seed, round and client.

    Test rows only; a defense whose messages the reference has none like (a sum against single clients) is left out.
    Each metric asks a question of its own, so its comparisons are one family.
    """
    groups = _test_groups(rows)
    known = {group.defense for group in groups}
    if groups and reference not in known:
        raise ConfigError(f"no defense of this run is called '{reference}'{did_you_mean(reference, known)}")
    pairs = {group: replace(group, defense=reference) for group in groups if group.defense != reference}
    compared = [_comparison(g, groups[g], r, groups[r]) for g, r in pairs.items() if r in groups]
    return _corrected(compared, family=lambda comparison: comparison.group.metric)


def compare_runs(new: Iterable[Row], old: Iterable[Row]) -> list[Comparison]:
    """Each group of `new` against the same group of `old`, on the cells that both have; test rows only.

    Asked is whether anything at all differs, so all comparisons are one family.
    """
    old_groups = _test_groups(old)
    groups = {group: rows for group, rows in _test_groups(new).items() if group in old_groups}
    compared = [_comparison(group, rows, group, old_groups[group]) for group, rows in groups.items()]
    return _corrected(compared, family=lambda _: "all")


def compare_attacks(rows: Iterable[Row], pairs: Mapping[str, str]) -> list[Comparison]:
    """Each attack against another on the same messages, both by label; test rows only.

    Each metric asks a question of its own, so its comparisons are one family.
    """
    groups = _test_groups(rows)
    by_place = {(replace(group, attack="", algorithm=""), group.attack): group for group in groups}
    compared = []
    for group, own in groups.items():
        reference = by_place.get((replace(group, attack="", algorithm=""), pairs.get(group.attack, "")))
        if reference is not None:
            compared.append(_comparison(group, own, reference, groups[reference]))
    return _corrected(compared, family=lambda comparison: comparison.group.metric)


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

    Differences that are all the same have no spread to judge by, so theirs is the probability that all have the same
    sign (an exact sign-flip test); 1 where they are 0.
    """
    count, means = len(units), units.means
    if count < 2:
        return math.nan
    if not agree(units, scale):
        t = means.mean() / (means.std(ddof=1) / math.sqrt(count))
        return float(2 * stdtr(count - 1, -abs(t)))
    return 1.0 if abs(means.mean()) <= ROUNDING * scale else 2.0 ** (1 - count)


def sign_test(units: Units) -> float:
    """The probability of as many differences of one sign if either were as likely; units without one do not count.

    Of hits and misses this is McNemar's test, exact. Source: McNemar 1947, https://doi.org/10.1007/BF02295996.
    """
    up, down = int((units.totals > 0).sum()), int((units.totals < 0).sum())
    return min(1.0, 2 * float(bdtr(min(up, down), up + down, 0.5)))


def agree(units: Units, scale: float) -> bool:
    """Whether all differences are the same; `scale` is the size of what was compared."""
    return bool(np.ptp(units.means) <= ROUNDING * scale)


def _test_groups(rows: Iterable[Row]) -> dict[Group, list[Row]]:
    return group_rows(row for row in rows if row.split == "test")


def _comparison(group: Group, rows: Sequence[Row], reference: Group, reference_rows: Sequence[Row]) -> Comparison:
    mine, other = _by_message(rows), _by_message(reference_rows)
    both = [message for message in mine if message in other]
    scale = max((abs(figures[message].value) for figures in (mine, other) for message in both), default=0.0)
    differences = [mine[message].value - other[message].value for message in both]
    real = [d if abs(d) > ROUNDING * scale else 0.0 for d in differences]
    units = Units.of(real, [seed for seed, _, _ in both])
    one_each = len(units) == len(both) and all(_one_hit_or_miss(side[m]) for side in (mine, other) for m in both)
    p_value, test = _tested(units, scale, one_each=one_each)
    return Comparison(
        group=group,
        reference=reference,
        difference=math.fsum(real) / len(real) if real else math.nan,
        interval=of_mean(units),
        p_value=p_value,
        pairs=len(both),
        test=test,
    )


def _by_message(rows: Sequence[Row]) -> Mapping[tuple[int, int, object], Row]:
    """The row of each message that has a figure, by seed, round and sender."""
    return {(row.seed, row.round, row.client): row for row in rows if math.isfinite(row.value)}


def _one_hit_or_miss(row: Row) -> bool:
    known = [value for value in row.per_sample if math.isfinite(value)]
    return row.unit.startswith("share") and known in ([0.0], [1.0])


def _tested(units: Units, scale: float, *, one_each: bool) -> tuple[float, str]:
    """The p-value and the test in words; `one_each` says that each unit is one sample, hit or missed."""
    if len(units) < 2:
        return math.nan, f"too few: {units}"
    if one_each:
        return sign_test(units), f"exact sign test over {units}"
    name = "exact sign-flip test" if agree(units, scale) else "paired t-test"
    return paired_t_test(units, scale), f"{name} over {units}"


def _corrected(comparisons: list[Comparison], family: Callable[[Comparison], str]) -> list[Comparison]:
    """With p-values as they must be read when all of a family are looked at together."""
    corrected = list(comparisons)
    families = [family(comparison) for comparison in comparisons]
    for name in dict.fromkeys(families):
        places = [i for i, own in enumerate(families) if own == name]
        for i, p_value in zip(places, holm([comparisons[i].p_value for i in places]), strict=True):
            corrected[i] = replace(comparisons[i], p_value=p_value)
    return corrected
