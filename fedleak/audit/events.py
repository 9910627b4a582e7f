"""Events of an app under audit: what its parties tell the stage, in its own process or from another."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

from fedleak.audit.understanding import Understanding, Update

SIGN_SECONDS = 10.0
"""How often the audit's own work says that it goes on."""


@runtime_checkable
class Events(Protocol):
    """Hears what becomes of an app."""

    def beat(self) -> None:
        """Something goes on."""

    def says(self, words: str) -> None:
        """What is being done, for whoever waits."""

    def asked(self, node: int) -> int:
        """A node is asked to train; how often that was by now."""

    def other(self, kind: str) -> None:
        """A message of another type was answered, or training that is a stage of secure aggregation."""

    def failed(self, words: str) -> None:
        """A client that was asked to train failed."""

    def lost(self, words: str) -> None:
        """The server got an error in the place of a reply."""

    def trained(self, update: Update, known: Understanding) -> None:
        """A client has trained; what was seen of it, and whether that was understood."""

    def polled(self) -> None:
        """The server asked which clients are there."""

    def ended(self, stopped: str) -> None:
        """The audited rounds are over, or the server is; `stopped` says what it raised, "" that it did not."""


@contextmanager
def working(beat: Callable[[], None]) -> Iterator[None]:
    """Says that something goes on while the audit's own work is done, which is long on a large network."""
    done = threading.Event()

    def signs() -> None:
        while not done.wait(SIGN_SECONDS):
            beat()

    threading.Thread(target=signs, daemon=True).start()
    try:
        yield
    finally:
        done.set()
