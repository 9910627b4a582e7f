"""Loot: the most that one server got under one defense, as a count of exact images and of those that leaked at all."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fedleak.analysis.recovered import EXACT
from fedleak.results.row import Row
from fedleak.statistics.group import Group, group_rows
from fedleak.statistics.summary import summary_of


@dataclass(frozen=True, kw_only=True)
class Loot:
    """What one attack got of one kind of messages."""

    group: Group
    rows: tuple[Row, ...]
    """Those with a figure."""
    silent: int = 0
    """Messages without one."""

    @property
    def asked(self) -> int:
        """Examples that the attack was after."""
        return sum(len(row.per_sample) for row in self.rows)

    @property
    def exact(self) -> int:
        """Those of them at `EXACT` or more."""
        return sum(value >= EXACT for row in self.rows for value in row.per_sample)

    @property
    def leaked(self) -> int:
        """Those past the threshold of their task, and beyond what guessing gives."""
        return summary_of(self.group, self.rows).leaked

    @property
    def best(self) -> float:
        """Of a single example."""
        return max(row.best for row in self.rows)


def loot_of(rows: Iterable[Row]) -> Loot | None:
    """By the attack with the greatest share that is exact, then most of them, then the best single guess.

    None where no message has a figure.
    """
    found = [_loot(group, own) for group, own in group_rows(rows).items()]
    return max((one for one in found if one.rows), key=_order, default=None)


def group_of(row: Row) -> Group:
    """The group of a single row."""
    return next(iter(group_rows([row])))


def _loot(group: Group, rows: Sequence[Row]) -> Loot:
    scored = tuple(row for row in rows if math.isfinite(row.value))
    return Loot(group=group, rows=scored, silent=len(rows) - len(scored))


def _order(loot: Loot) -> tuple[float, int, float]:
    return loot.exact / max(loot.asked, 1), loot.exact, loot.best
