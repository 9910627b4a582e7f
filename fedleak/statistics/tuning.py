"""Tuning: chooses among the variants of an attack by what they leak on tuning seeds; test seeds have no say."""

import math
from collections.abc import Iterable, Mapping, Sequence

from fedleak.results.row import Row
from fedleak.statistics.group import Group, Variant, group_rows, speaks

Contest = Mapping[Group, Sequence[Row]]
"""The tuning rows of all variants of one attack on one kind of message."""
Guesses = Mapping[tuple[str, int, int, object], float]
"""By metric, seed, round and sender: what guessing without the update gives."""


def tuned_variants(rows: Iterable[Row]) -> frozenset[Variant]:
    """For each attack, on each kind of message, the variant with the most leakage on the tuning rows.

    Compared is the mean over messages by the first metric that has a figure and may be a verdict; of equals the first
    is chosen. Where there is one variant only, or none has a figure, nothing is chosen.
    """
    contests: dict[Variant, dict[Group, Sequence[Row]]] = {}
    for group, own in group_rows(row for row in rows if row.split == "tuning" and speaks(row.metric)).items():
        contests.setdefault(contest_of(group), {})[group] = own
    winners = [_winner(contest) for contest in contests.values() if len({group.variant for group in contest}) > 1]
    return frozenset(winner.variant for winner in winners if winner is not None)


def contest_of(group: Group) -> Variant:
    """What is the same for all variants of an attack on one kind of message."""
    return group.variant._replace(attack="")


def _winner(contest: Contest) -> Group | None:
    guesses = _guesses(contest)
    leakages = {group: _leakage(rows, guesses) for group, rows in contest.items()}
    measured = [group for group, leakage in leakages.items() if not math.isnan(leakage)]
    return max(
        (group for group in measured if group.metric == measured[0].metric), key=leakages.__getitem__, default=None
    )


def _guesses(contest: Contest) -> Guesses:
    """A variant that crashed has no guess of its own; that of another variant for the same message is the same."""
    known = [row for rows in contest.values() for row in rows if math.isfinite(row.baseline)]
    return {(row.metric, row.seed, row.round, row.client): row.baseline for row in known}


def _leakage(rows: Sequence[Row], guesses: Guesses) -> float:
    """The mean over messages, higher for more leakage; NaN where none has a figure.

    A failure counts as the guess without the update: left out, a variant that mostly diverges would be judged by the
    messages that suit it.
    """
    if not any(math.isfinite(row.value) for row in rows):
        return math.nan
    values = [row.value if math.isfinite(row.value) else _instead(row, guesses) for row in rows if row.applicable]
    known = [value for value in values if math.isfinite(value)]
    mean = math.fsum(known) / len(known) if known else math.nan
    return mean if rows[0].higher_is_better else -mean


def _instead(row: Row, guesses: Guesses) -> float:
    own = guesses.get((row.metric, row.seed, row.round, row.client), math.nan)
    return row.baseline if math.isfinite(row.baseline) else own
