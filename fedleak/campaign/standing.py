"""Keeps count while a run goes on: what is done, what fails, what leaked most and least so far."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from fedleak.campaign.events import Progress
from fedleak.results import Row


@dataclass
class Standing:
    """The state of a run in figures."""

    metric: str
    """The campaign's first metric: what best and worst are told by."""
    total: int
    done: int = 0
    failing: int = 0
    best: Row | None = None
    worst: Row | None = None

    def count(self, rows: Iterable[Row]) -> None:
        """Enters a cell that is over."""
        rows = tuple(rows)
        scored = [row for row in rows if not math.isnan(row.value)]
        self.done += 1
        self.failing += not scored and any(row.applicable for row in rows)
        for row in scored:
            if row.metric == self.metric and row.split == "test":
                self.best = row if self.best is None or _leaks_more(row, self.best) else self.best
                self.worst = row if self.worst is None or _leaks_more(self.worst, row) else self.worst

    def progress(self, fraction: float = 0.0) -> Progress:
        """The same for whoever watches; `fraction` is the work done in the cells being worked on."""
        return Progress(
            done=self.done + fraction, total=self.total, failing=self.failing, best=self.best, worst=self.worst
        )


def _leaks_more(one: Row, other: Row) -> bool:
    return (one.value > other.value) is one.higher_is_better and one.value != other.value
