"""The tap: a curious server reads every message that crosses the wire, and changes none."""

from collections.abc import Iterable

from flwr.app import Message, MessageType

from .layer import Layer
from .recorder import Recorder
from .roster import Roster


class Tap(Layer):
    """Records each training reply together with what that client was sent.

    It sits below every protocol, so it sees what really leaves a client: under secure aggregation, masked vectors.
    """

    def __init__(self, roster: Roster, recorder: Recorder) -> None:
        super().__init__(roster)
        self._roster = roster
        self._recorder = recorder

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        sent = {message.metadata.dst_node_id: message for message in messages}
        replies = list(self.inner.send_and_receive(sent.values(), timeout=timeout))
        for reply in replies:
            node = reply.metadata.src_node_id
            if reply.metadata.message_type == MessageType.TRAIN and not reply.has_error():
                self._recorder.reply(self._roster.client_of(node), sent[node].content, reply.content)
        return replies
