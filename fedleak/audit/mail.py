"""Mail: private files by which the processes of a simulation tell what becomes of an app.

One event is one pickled file, written only by processes that an audit has started, in a folder that only their user
can enter. Classes of the app are pickled by name; whoever reads them imports the app.
"""

import os
import pickle
import threading
import time
from collections.abc import Iterator
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any

from fedleak.audit.understanding import Understanding, Update
from fedleak.errors import first_line
from fedleak.io.atomic import PRIVATE_FILE, open_privately

Event = tuple[str, tuple[Any, ...]]
"""A method of `fedleak.audit.events.Events`, and what it is given."""
TRAINED = "trained"


class Mail:
    """Events as they are told in one process, for another to read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ids = count()
        self._said_at: dict[str, float] = {}

    def beat(self) -> None:
        self._seldom("beat")

    def says(self, words: str) -> None:
        self._send("says", words)

    def asked(self, node: int) -> int:
        """Counted by files, as each message to a node may be answered in a process of its own."""
        self._send("asked", node)
        for times in count(1):
            try:
                os.close(os.open(self._folder / f"asked-{node}-{times}", os.O_CREAT | os.O_EXCL, PRIVATE_FILE))
            except FileExistsError:
                continue
            return times
        raise AssertionError

    def other(self, kind: str) -> None:
        self._send("other", kind)

    def failed(self, words: str) -> None:
        self._send("failed", words)

    def lost(self, words: str) -> None:
        self._send("lost", words)

    def trained(self, update: Update, known: Understanding) -> None:
        """Kept apart from all other events, by round and client."""
        place = f"{TRAINED}-{update.round:06}-{update.client:06}-{self._own()}"
        try:
            self._write(place, (TRAINED, (update, known)))
        except Exception as error:  # noqa: BLE001  objects of an app raise whatever they like when they are pickled
            self.failed(
                f"client {update.client} in round {update.round}: what was seen of it cannot leave its process "
                f"({type(error).__name__}: {first_line(error)}); audit it with --engine loopback"
            )

    def polled(self) -> None:
        self._seldom("polled")

    def ended(self, stopped: str) -> None:
        self._send("ended", stopped)

    def events(self) -> Iterator[Event]:
        """What came since it was last asked, but for updates, in the order of the clock."""
        return self._read("event-*.mail")

    def updates(self) -> Iterator[Event]:
        """All updates by round and client, each read as it is asked for."""
        return self._read(f"{TRAINED}-*.mail")

    def _seldom(self, name: str) -> None:
        now = time.monotonic()
        if now - self._said_at.get(name, 0.0) > 1:
            self._said_at[name] = now
            self._send(name)

    def _send(self, name: str, *given: Any) -> None:
        self._write(f"event-{time.time_ns():020}-{self._own()}", (name, given))

    def _own(self) -> str:
        """What no other file has in its name."""
        return f"{os.getpid()}-{threading.get_ident()}-{next(self._ids)}"

    def _write(self, name: str, event: Event) -> None:
        cloudpickle: Any = import_module("ray.cloudpickle")  # pickles what an app defines inside a function, too
        part = self._folder / f".{name}"
        with open_privately(part, "wb") as file:
            cloudpickle.dump(event, file)
        part.rename(self._folder / f"{name}.mail")

    def _read(self, pattern: str) -> Iterator[Event]:
        for path in sorted(self._folder.glob(pattern)):
            with path.open("rb") as file:
                event: Event = pickle.load(file)
            path.unlink()
            yield event
