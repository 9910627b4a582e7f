"""Grid layer: what the layers between Flower's grid and the strategy have in common."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence

from flwr.app import Message, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.run import Run

from fedleak.errors import FederationError


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


def answered(sent: Sequence[Message], replies: Iterable[Message]) -> list[tuple[Message, Message]]:
    """Each message that was answered, in the order sent, with its reply.

    By the message's id, never by the node that a reply names: for a node that died the SuperLink answers, under its own
    id. A reply to none of these messages is left out, as is a second one; an answer goes before an error.
    """
    first: dict[str, Message] = {}
    for reply in sorted(replies, key=lambda reply: reply.has_error()):
        first.setdefault(reply.metadata.reply_to_message_id, reply)
    first.pop("", None)  # what answers nothing; a message that was never pushed has no id either
    return [(message, first[message.metadata.message_id]) for message in sent if message.metadata.message_id in first]
