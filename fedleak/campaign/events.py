"""What a run tells whoever watches it; the command line draws it, tests and scripts can ignore it."""


class Events:
    """Override what you want to hear about; by default nothing is said."""

    def federation(self, defense: str, done: int, total: int) -> None:
        """`done` of `total` client replies of a federation have come."""

    def federated(self, defense: str, *, seconds: float, reused: bool) -> None:
        """A federation is over, or was there already."""

    def cells(self, done: float, total: int) -> None:
        """`done` of `total` cells are over; the fraction is that of the cells being worked on."""

    def problem(self, sentence: str) -> None:
        """Something went wrong that the run survives."""

    def drawing(self, what: str) -> None:
        """A picture or a log is being written."""
