"""Grid that is listened to: the one file that imports Flower, with what differs between its versions, from 1.28 on."""

import abc
import atexit
import time
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from fedleak.wiretap.journal import Journal
from fedleak.wiretap.recorder import Recorder

try:
    from flwr.serverapp import Grid
except ImportError:  # where it lay before
    from flwr.server import Grid

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 3.0
"""Seconds between two questions for replies, each twice as long as the one before, up to what the grid itself waits
(`pull_interval`, in the simulation) or, where it does not say, Flower's three."""


def tapped(grid: Any, folder: str, *, most_bytes: int, most_rounds: int, values: Collection[str]) -> Any:
    """A grid whose messages are written into a folder; raises `OSError` where it cannot be used."""
    if isinstance(grid, TappedGrid):
        return grid
    recorder = Recorder(Journal(Path(folder), most_bytes), most_rounds, values)
    atexit.register(recorder.close)
    return TappedGrid(grid, recorder)


@runtime_checkable
class Listener(Protocol):
    """Hears of messages once they are sent, and of replies as they are pulled."""

    def sent(self, messages: Sequence[Any], ids: Sequence[str | None] = ()) -> None: ...

    def received(self, replies: Sequence[Any]) -> None: ...


class TappedGrid(Grid):
    """Does what the grid in it does, and has a recorder listen; every other attribute is that grid's own."""

    def __init__(self, inner: Grid, recorder: Listener) -> None:
        self.__dict__.update(_inner=inner, _recorder=recorder)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_inner"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.__dict__["_inner"], name, value)

    def set_run(self, *given: Any, **more: Any) -> None:
        self._inner.set_run(*given, **more)

    @property
    def run(self) -> Any:
        return self._inner.run

    def create_message(self, *given: Any, **more: Any) -> Any:
        return self._inner.create_message(*given, **more)

    def get_node_ids(self) -> Iterable[int]:
        node_ids: Iterable[int] = self._inner.get_node_ids()
        return node_ids

    def push_messages(self, messages: Iterable[Any]) -> Iterable[str]:
        sent = list(messages)
        ids = list(self._inner.push_messages(sent))
        self._recorder.sent(sent, ids)
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Any]:
        replies = list(self._inner.pull_messages(message_ids))
        self._recorder.received(replies)
        return replies

    def send_and_receive(self, messages: Iterable[Any], *, timeout: float | int | None = None) -> Iterable[Any]:
        """As Flower's grids do it, which push and then pull, but each reply is written as it is pulled.

        What somebody else's grid does instead is left to it, and written once it has all replies.
        """
        sent = list(messages)
        if not type(self._inner).send_and_receive.__module__.startswith("flwr."):
            replies = list(self._inner.send_and_receive(sent, timeout=timeout))
            self._recorder.sent(sent)
            self._recorder.received(replies)
            return replies
        waiting = {name for name in self.push_messages(sent) if name}
        del sent, messages
        return self._awaited(waiting, timeout)

    def _awaited(self, waiting: set[str], timeout: float | int | None) -> list[Any]:
        ends = None if timeout is None else time.monotonic() + timeout
        longest = float(getattr(self._inner, "pull_interval", LONGEST_PAUSE))
        replies: list[Any] = []
        pause = min(FIRST_PAUSE, longest)
        while ends is None or time.monotonic() < ends:
            found = list(self.pull_messages(waiting))
            replies += found
            waiting -= {reply.metadata.reply_to_message_id for reply in found}
            if not waiting:
                break
            time.sleep(pause if ends is None else max(0.0, min(pause, ends - time.monotonic())))
            pause = min(2 * pause, longest)
        return replies


def _passed_on(name: str) -> property:
    return property(lambda self: getattr(self.__dict__["_inner"], name))


# Whatever else this version's `Grid` has, abstract or not, is that of the grid inside.
for _name in dir(Grid):
    if not _name.startswith("_") and _name not in vars(TappedGrid):
        setattr(TappedGrid, _name, _passed_on(_name))
abc.update_abstractmethods(TappedGrid)
