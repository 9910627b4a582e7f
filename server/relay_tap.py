"""Relay tap: the curious server of split training keeps a diary of all that it passes on, and changes nothing."""

from collections.abc import Iterable
from pathlib import Path

from flwr.app import Message, RecordDict

from fedleak.federation import wire
from fedleak.federation.diaries import diary_of
from fedleak.federation.plan import FederationPlan
from fedleak.learning.weights import NamedTensors
from fedleak.recording.diary import RELAY, Asked, Line, append, begin

from .layer import Layer, answered
from .roster import Roster

ASKED: dict[str, Asked] = {wire.FORWARD: "forward", wire.TOP: "top", wire.BACKWARD: "backward"}


class RelayTap(Layer):
    """Records each message of a step with its answer, in the rounds that are recorded."""

    def __init__(self, roster: Roster, plan: FederationPlan) -> None:
        super().__init__(roster)
        self._roster = roster
        self._plan = plan
        self._begun: set[int] = set()

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        sent = list(messages)
        replies = list(self.inner.send_and_receive(sent, timeout=timeout))
        lines = [self._line(message, reply) for message, reply in answered(sent, replies) if self._seen(message, reply)]
        if lines:
            self._write(wire.round_of(sent[0].content), lines)
        return replies

    def _seen(self, message: Message, reply: Message) -> bool:
        training = wire.STEP in wire.config_of(message.content) and message.metadata.message_type in ASKED
        return training and self._plan.cuts(wire.round_of(message.content)) and not reply.has_error()

    def _line(self, message: Message, reply: Message) -> Line:
        return Line(
            step=int(str(wire.config_of(message.content)[wire.STEP])),
            asked=ASKED[message.metadata.message_type],
            party=self._roster.client_of(message.metadata.dst_node_id),
            question=_tensors(message.content),
            answer=_tensors(reply.content),
        )

    def _write(self, round: int, lines: list[Line]) -> None:
        folder = Path(self._plan.recordings)
        if round not in self._begun:
            self._begun.add(round)
            begin(folder, diary_of(self._plan, RELAY, round, {}))
        append(folder, RELAY, round, *lines)


def _tensors(content: RecordDict) -> NamedTensors:
    return wire.to_tensors(wire.arrays_of(content)) if content.array_records else {}
