"""The tap: a curious server reads every message that crosses the wire, and changes none."""

from collections.abc import Iterable, Iterator

from flwr.app import Message, RecordDict

from fedleak.federation import wire
from fedleak.learning.weights import Weights

from .layer import Answered, Layer, replies_in_turn
from .manipulation import trains
from .recorder import Recorder
from .roster import Roster


class Tap(Layer):
    """Records each training reply together with what that client was sent, in the rounds that are recorded.

    It does so as replies come: what was received stays on disk, whatever becomes of the other clients or of the server.
    It sits below every protocol, so it sees what really leaves a client: under secure aggregation, masked vectors.
    """

    def __init__(self, roster: Roster, recorder: Recorder) -> None:
        super().__init__(roster)
        self._roster = roster
        self._recorder = recorder

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        sent = list(messages)
        if sent and sent[0].metadata.message_type == wire.MESSAGE_TYPES["share"]:
            self._recorder.overhear(sent[0].content)
        sent = self._roster.in_turn(sent)
        return replies_in_turn(sent, self._recorded(self._roster.exchange(sent, timeout)))

    def _recorded(self, pairs: Iterable[Answered]) -> Iterator[Answered]:
        weights: dict[int, Weights] = {}
        for message, reply in pairs:
            if trains(message) and not reply.has_error():
                self._record(self._roster.client_of(message.metadata.dst_node_id), message.content, reply, weights)
            yield message, reply

    def _record(self, client: int, sent: RecordDict, reply: Message, weights: dict[int, Weights]) -> None:
        plan = self._recorder.plan
        attacked = plan.adversary.attacks(client)
        if not plan.recorded(wire.round_of(sent)) or not (attacked or plan.server.chain):
            return
        # Strategies put one record into all messages of a round: it is decoded once.
        record = id(wire.arrays_of(sent))
        if record not in weights:
            weights[record] = self._recorder.weights(sent)
        self._recorder.heard(client, weights[record], reply.content)
        if attacked:
            self._recorder.reply(client, weights[record], sent, reply.content)
