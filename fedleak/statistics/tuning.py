"""Chooses among the variants of an attack by what they leak on tuning seeds; test seeds have no say."""

import math
import re
from collections.abc import Iterable

from fedleak.results import Row
from fedleak.statistics.group import Group, Variant, group_rows


def tuned_variants(rows: Iterable[Row]) -> frozenset[Variant]:
    """For each attack, on each kind of message, the variant with the most leakage on the tuning rows.

    Compared is the mean over messages by the first metric that has a figure; of equals the first is chosen.
    """
    tuning = group_rows(row for row in rows if row.split == "tuning")
    contests: dict[Variant, dict[Group, float]] = {}
    for group, own in tuning.items():
        leakage = _leakage(own)
        if not math.isnan(leakage):
            contests.setdefault(_contest(group), {})[group] = leakage
    return frozenset(_winner(contest).variant for contest in contests.values())


def attack_name(label: str) -> str:
    """The name that a label begins with: `dlg` for `dlg`, `dlg-2` and `dlg steps=100`."""
    return re.sub(r"-\d+$", "", label.partition(" ")[0])


def _contest(group: Group) -> Variant:
    return group.variant._replace(attack=attack_name(group.attack))


def _winner(contest: dict[Group, float]) -> Group:
    metric = next(iter(contest)).metric
    return max((group for group in contest if group.metric == metric), key=contest.__getitem__)


def _leakage(rows: list[Row]) -> float:
    """The mean over messages, higher for more leakage; NaN where none has a figure."""
    values = [row.value for row in rows if math.isfinite(row.value)]
    if not values:
        return math.nan
    mean = math.fsum(values) / len(values)
    return mean if rows[0].higher_is_better else -mean
