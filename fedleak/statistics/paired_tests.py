"""Paired tests (sign-flip, sign, Holm's correction): the same cells under two defenses, by two attacks, or in two runs.

They are exact whatever the distribution of the figures: if nothing differs, a unit's difference is as likely to have
the other sign. Limit: units are taken as independent, so with fewer than 5 seeds, where messages are the units although
those of a seed share their model, p-values are optimistic.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from jaxtyping import Float64, Int64
from scipy.special import bdtr

from fedleak.errors import ConfigError, did_you_mean
from fedleak.results.row import Row
from fedleak.statistics.group import Group, bounds_of, group_rows
from fedleak.statistics.intervals import Interval, Units, of_mean

ROUNDING = 1e-9
"""Part of a figure that another machine's arithmetic may change; smaller differences count as none."""
FLIPS = 13
"""Signs that are flipped independently of each other: of more units in random sets."""
LEVEL = 0.05
"""A p-value that few units cannot fall below is said from here on."""


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
    """In words: "exact sign-flip test over 4 messages of one seed, which cannot show p < 0.125"."""
    least: float = 0.0
    """The smallest p-value that so many units can have, among so many comparisons; NaN where there is none."""

    def can_show(self, level: float) -> bool:
        """Whether the p-value could have been below the level, whatever the differences."""
        return not math.isnan(self.p_value) and self.least < level


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


def sign_flip_test(units: Units) -> float:
    """The probability of a mean difference as far from 0 if each unit's had either sign with the same probability.

    All sign flips are tried where there are at most `FLIPS + 1` units, else a random group of them, which is as exact:
    what is observed is one of the group, and as likely to be any other. Differences that are all the same need no care:
    only two flips are as far out. Source: Fisher 1935, "The Design of Experiments", section 21; groups of flips:
    Hemerik and Goeman 2018, https://doi.org/10.1007/s11749-017-0571-1.
    """
    if len(units) < 2:
        return math.nan
    means = units.means
    flipped = np.abs(_flips(len(units)) @ means)
    return float((flipped >= abs(means.sum()) - ROUNDING * np.abs(means).sum()).mean())


@lru_cache(maxsize=32)
def _flips(units: int) -> Float64[np.ndarray, "flips units"]:
    """A group of sign flips; that of all units is left out, since it only mirrors the sum."""
    flips = min(FLIPS, units - 1)
    chosen = np.eye(flips, units, dtype=int) if flips == units - 1 else _sets(flips, units)
    ways = np.arange(2**flips)[:, None] >> np.arange(flips) & 1
    signs: Float64[np.ndarray, "flips units"] = 1.0 - 2.0 * (ways @ chosen % 2)
    return signs


def _sets(flips: int, units: int) -> Int64[np.ndarray, "flips units"]:
    """Random sets of units whose signs are flipped together; the same each time."""
    return np.random.default_rng(units).integers(2, size=(flips, units))


def least_p_value(units: int) -> float:
    """The smallest two-sided p-value of so many units: that of all with the same sign; NaN where there is no test."""
    return 2.0 ** max(1 - units, -FLIPS) if units > 1 else math.nan


def sign_test(units: Units) -> float:
    """The probability of as many differences of one sign if either were as likely; units without one do not count.

    Of hits and misses this is McNemar's test, exact. Source: McNemar 1947, https://doi.org/10.1007/BF02295996.
    """
    up, down = int((units.totals > 0).sum()), int((units.totals < 0).sum())
    return min(1.0, 2 * float(bdtr(min(up, down), up + down, 0.5)))


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
    p_value, test = _tested(units, one_each=one_each)
    least, most = bounds_of(group.metric)
    return Comparison(
        group=group,
        reference=reference,
        difference=math.fsum(real) / len(real) if real else math.nan,
        interval=of_mean(units, (least - most, most - least)),
        p_value=p_value,
        pairs=len(both),
        test=test,
        least=least_p_value(len(units)),
    )


def _by_message(rows: Sequence[Row]) -> Mapping[tuple[int, int, object], Row]:
    """The row of each message that has a figure, by seed, round and sender."""
    return {(row.seed, row.round, row.client): row for row in rows if math.isfinite(row.value)}


def _one_hit_or_miss(row: Row) -> bool:
    known = [value for value in row.per_sample if math.isfinite(value)]
    return row.unit.startswith("share") and known in ([0.0], [1.0])


def _tested(units: Units, *, one_each: bool) -> tuple[float, str]:
    """The p-value and the test in words; `one_each` says that each unit is one sample, hit or missed."""
    if len(units) < 2:
        return math.nan, f"too few: {units}"
    if one_each:
        return sign_test(units), f"exact sign test over {units}"
    return sign_flip_test(units), f"exact sign-flip test over {units}"


def _corrected(comparisons: list[Comparison], family: Callable[[Comparison], str]) -> list[Comparison]:
    """With p-values as they must be read when all of a family are looked at together."""
    corrected = list(comparisons)
    families = [family(comparison) for comparison in comparisons]
    for name in dict.fromkeys(families):
        places = [i for i, own in enumerate(families) if own == name]
        p_values = holm([comparisons[i].p_value for i in places])
        tests = sum(not math.isnan(p_value) for p_value in p_values)
        for i, p_value in zip(places, p_values, strict=True):
            corrected[i] = _read_with(comparisons[i], p_value, tests)
    return corrected


def _read_with(comparison: Comparison, p_value: float, tests: int) -> Comparison:
    """The comparison among so many tests."""
    least = comparison.least * tests
    among = f"among {tests} tests " if tests > 1 else ""
    limit = f", which {among}cannot show p < {min(1.0, least):.3g}" if least > LEVEL else ""
    return replace(comparison, p_value=p_value, least=least, test=comparison.test + limit)
