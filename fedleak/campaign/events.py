"""Events of a run, for whoever watches it; the command line draws them, tests and scripts can ignore them."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from fedleak.results.row import Row

SENTENCES = 10
"""Errors of a kind that are told one by one; ten thousand cells may fail for one reason."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run is."""

    done: float
    """Cells that are over, with fractions for those being worked on."""
    total: int
    failing: int
    """Cells over without any figure that could have had one."""
    best: Row | None
    """The figure that leaked most so far, by the campaign's first metric."""
    worst: Row | None
    """The figure that leaked least so far."""


class Events:
    """Override what you want to hear about; by default nothing is said."""

    def federations(self, done: float, total: int) -> None:
        """`done` of `total` federations are over."""

    def federated(self, name: str, *, seconds: float, reused: bool) -> None:
        """A federation is over, or was there already; `name` is its defense, and its settings where they vary."""

    def cells(self, progress: Progress) -> None:
        """How far the attacks are."""

    def problem(self, sentence: str) -> None:
        """Something went wrong that the run survives."""

    def drawing(self, what: str) -> None:
        """A picture or a page is being written."""

    def judging(self, done: int, total: int) -> None:
        """How far the report is with what attacks asked."""


@dataclass(kw_only=True)
class ProgressTracker:
    """Counts while a run goes on: what is done, what fails, what leaked most and least so far; and tells its events."""

    events: Events
    metric: str
    """The campaign's first metric: what best and worst are told by."""
    federations: int
    total: int
    """Cells that there will be, as far as is known."""
    federations_done: int = 0
    done: int = 0
    failing: int = 0
    best: Row | None = None
    worst: Row | None = None

    def federated(self, name: str, *, seconds: float, reused: bool) -> None:
        """Enters a federation that is over."""
        self.federations_done += 1
        self.events.federated(name, seconds=seconds, reused=reused)

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

    def report(self, federations: float = 0.0, cells: float = 0.0) -> None:
        """Tells how far everything is, with what is done of the jobs being worked on."""
        self.events.federations(self.federations_done + federations, self.federations)
        self.events.cells(self.progress(cells))

    def progress(self, fraction: float = 0.0) -> Progress:
        """The same as a value; `fraction` is the work done in the cells being worked on."""
        return Progress(
            done=self.done + fraction, total=self.total, failing=self.failing, best=self.best, worst=self.worst
        )


def _leaks_more(one: Row, other: Row) -> bool:
    return (one.value > other.value) is one.higher_is_better and one.value != other.value


@dataclass
class ErrorKind:
    """Errors with one reason."""

    sentences: list[str] = field(default_factory=list)
    more: int = 0


@dataclass
class Errors:
    """What went wrong, by kind, in the order it came up; of one kind only the first few are told."""

    exit_status: int = 0
    """0 where there is none; 2 where the user can mend one; else 1."""
    by_kind: dict[tuple[object, ...], ErrorKind] = field(default_factory=dict)

    def add(self, sentence: str, kind: tuple[object, ...], exit_status: int) -> bool:
        """Enters one; whether it should be told."""
        self.exit_status = max(self.exit_status, exit_status)
        own = self.by_kind.setdefault(kind, ErrorKind())
        if len(own.sentences) < SENTENCES:
            own.sentences.append(sentence)
            return True
        own.more += 1
        return False

    def __iter__(self) -> Iterator[str]:
        for kind in self.by_kind.values():
            yield from kind.sentences
            if kind.more:
                yield f"and {kind.more} more like the last"
