"""Grid layer: what the layers between Flower's grid and the strategy have in common, and replies as they come."""

import time
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence

from flwr.app import Message, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.run import Run

from fedleak.errors import FederationError
from fedleak.federation.loopback import LoopbackGrid

POLL_SECONDS = 0.5
"""How often a SuperLink is asked for replies that are out."""
Answered = tuple[Message, Message]
"""A message and the reply to it."""


class Layer(Grid):
    """A grid around a grid; a layer says what happens to the messages, the rest goes through."""

    def __init__(self, inner: Grid) -> None:
        self.inner = inner

    @abstractmethod
    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]: ...

    def leaving(self, messages: list[Message]) -> list[Message]:
        """The messages as they leave, after what the layers below make of them: a server knows what it sends."""
        return self.inner.leaving(messages) if isinstance(self.inner, Layer) else messages

    def set_run(self, run: Run) -> None:
        self.inner.set_run(run)

    @property
    def run(self) -> Run:
        return self.inner.run

    def create_message(
        self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None
    ) -> Message:
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> Iterable[int]:
        return self.inner.get_node_ids()

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:  # noqa: ARG002
        raise self._refusal()

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:  # noqa: ARG002
        raise self._refusal()

    def _refusal(self) -> FederationError:
        # Let through, these messages would pass by the tap and by secure aggregation.
        return FederationError(
            "the strategy pushes and pulls messages one by one; fedleak runs strategies that use send_and_receive, "
            "as all of Flower's do"
        )


class Streaming(Layer):
    """A layer that hands on each reply as it comes, so that what was received is not lost with what is still out."""

    @abstractmethod
    def exchange(self, sent: Sequence[Message], timeout: float | None) -> Iterator[Answered]:
        """Sends, then gives each message that is answered with its reply as soon as that is there."""

    def in_turn(self, messages: Iterable[Message]) -> list[Message]:
        """The order in which replies are returned when all are there."""
        return list(messages)

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        sent = self.in_turn(messages)
        return replies_in_turn(sent, self.exchange(sent, timeout))


def replies_in_turn(sent: Sequence[Message], pairs: Iterable[Answered]) -> list[Message]:
    """The replies in the order of the messages that they answer, whichever came first."""
    replies = {message.metadata.message_id: reply for message, reply in pairs}
    return [replies[message.metadata.message_id] for message in sent if message.metadata.message_id in replies]


def arriving(grid: Grid, sent: Sequence[Message], timeout: float | None) -> Iterator[Answered]:
    """Sends by a grid, then gives each message that is answered with its reply, as they come.

    From a grid that has all at once they come in the order sent.
    """
    if isinstance(grid, Streaming):
        yield from grid.exchange(sent, timeout)
    elif isinstance(grid, Layer | LoopbackGrid):
        yield from answered(sent, grid.send_and_receive(sent, timeout=timeout))
    else:
        yield from _polled(grid, sent, timeout)


def _polled(grid: Grid, sent: Sequence[Message], timeout: float | None) -> Iterator[Answered]:
    """What Flower's own `send_and_receive` does, but for giving replies before the last of them is there."""
    out = {name for name in grid.push_messages(sent) if name}  # what could not be pushed has none
    deadline = None if timeout is None else time.monotonic() + timeout
    while out and (deadline is None or time.monotonic() < deadline):
        waiting = [message for message in sent if message.metadata.message_id in out]
        replies = list(grid.pull_messages(out))
        out -= {reply.metadata.reply_to_message_id for reply in replies}
        yield from answered(waiting, replies)
        if out:
            time.sleep(POLL_SECONDS)


def answered(sent: Sequence[Message], replies: Iterable[Message]) -> list[Answered]:
    """Each message that was answered, in the order sent, with its reply.

    By the message's id, never by the node that a reply names: for a node that died the SuperLink answers, under its own
    id. A reply to none of these messages is left out, as is a second one; an answer goes before an error.
    """
    first: dict[str, Message] = {}
    for reply in sorted(replies, key=lambda reply: reply.has_error()):
        first.setdefault(reply.metadata.reply_to_message_id, reply)
    first.pop("", None)  # what answers nothing; a message that was never pushed has no id either
    return [(message, first[message.metadata.message_id]) for message in sent if message.metadata.message_id in first]
