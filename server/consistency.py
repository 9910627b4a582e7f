"""Consistency on the server: before clients train it asks each which model it was sent, and tells all what all say."""

from collections.abc import Iterable

from flwr.app import Message, RecordDict

from fedleak.federation import wire

from .layer import Layer
from .manipulation import trains
from .roster import Roster


class ConsistencyLayer(Layer):
    """Puts a stage before a training round: clients sign the model, and train once they have everybody's signature.

    It sits above what crafts weights, so that clients sign what they are really sent. Who does not sign costs the
    round: the others cannot tell whether it was sent another model.
    """

    def __init__(self, inner: Layer, roster: Roster) -> None:
        super().__init__(inner)
        self._roster = roster

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        sent = list(messages)
        if not sent or not trains(sent[0]):
            return self.inner.send_and_receive(sent, timeout=timeout)
        questions = [_with(message, RecordDict(dict(message.content)), wire.COMPARE) for message in sent]
        replies = self.inner.send_and_receive(questions, timeout=timeout)
        said = {
            self._roster.client_of(reply.metadata.src_node_id): reply.content
            for reply in replies
            if not reply.has_error()
        }
        record = wire.models_signed(said)
        asked = [_with(message, RecordDict({**message.content, wire.MODELS: record})) for message in sent]
        return self.inner.send_and_receive(asked, timeout=timeout)


def _with(message: Message, content: RecordDict, kind: str | None = None) -> Message:
    about = message.metadata
    return Message(content, about.dst_node_id, kind or about.message_type, ttl=about.ttl, group_id=about.group_id)
