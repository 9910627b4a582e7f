"""What a run tells whoever watches it; the command line draws it, tests and scripts can ignore it."""

from dataclasses import dataclass

from fedleak.results import Row


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
