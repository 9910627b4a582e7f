"""Secure aggregation on the server: it relays keys, adds up masked vectors, and learns the sum."""

from collections.abc import Iterable

from flwr.app import ConfigRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid

from fedleak.defenses.secure_aggregation import SecureAggregation, add_up, mean_state
from fedleak.errors import FederationError
from fedleak.federation import wire
from fedleak.federation.outcome import failure_of_all
from fedleak.learning.task import Task

from .layer import Layer
from .recorder import Recorder
from .roster import Roster, greeting


class SecureAggregationLayer(Layer):
    """Turns a training round into key agreement, masked replies and one reply with the mean, for the strategy.

    A client that drops out leaves the others' masks in the sum, so it ends the federation.
    """

    def __init__(
        self, inner: Grid, roster: Roster, defense: SecureAggregation, task: Task, recorder: Recorder | None
    ) -> None:
        super().__init__(inner)
        self._roster = roster
        self._defense = defense
        self._task = task
        self._recorder = recorder

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        sent = list(messages)
        if not sent or sent[0].metadata.message_type != MessageType.TRAIN:
            return self.inner.send_and_receive(sent, timeout=timeout)
        if len(sent) < self._defense.smallest_cohort:
            raise FederationError(
                f"secure-aggregation needs {self._defense.smallest_cohort} clients or more in a round; the strategy "
                f"chose {len(sent)}; raise its fraction_train or min_train_nodes"
            )
        keys = self._agree(sent, timeout)
        replies = self._all(sent, [_with_cohort(message, keys) for message in sent], timeout)
        return [self._revealed(sent, replies)]

    def _agree(self, sent: list[Message], timeout: float | None) -> ConfigRecord:
        """Every client's public key, by partition."""
        record = RecordDict({wire.CONFIG: greeting(**{wire.ROUND: wire.round_of(sent[0].content)})})
        questions = [Message(record, message.metadata.dst_node_id, wire.KEY_AGREEMENT) for message in sent]
        keys = {}
        for reply in self._all(sent, questions, timeout):
            key = reply.content.config_records[wire.CONFIG][wire.PUBLIC_KEY]
            assert isinstance(key, bytes)
            keys[str(self._roster.client_of(reply.metadata.src_node_id))] = key.hex()
        return ConfigRecord(dict(keys))

    def _all(self, sent: list[Message], messages: list[Message], timeout: float | None) -> list[Message]:
        known = len(self._roster.failures)
        replies = list(self.inner.send_and_receive(messages, timeout=timeout))
        failures = self._roster.failures[known:]
        if failures:
            raise failure_of_all(
                failures,
                f"round {wire.round_of(sent[0].content)}: client {failures[0].client} dropped out of secure "
                "aggregation, and without it the others' masks do not cancel",
            )
        return replies

    def _revealed(self, sent: list[Message], replies: list[Message]) -> Message:
        before = self._task.split(wire.to_tensors(wire.arrays_of(sent[0].content)))
        total = add_up([wire.to_ring(wire.arrays_of(reply.content)) for reply in replies])
        state, examples = mean_state(before, self._defense.dequantize(total))
        cohort = tuple(self._roster.client_of(reply.metadata.src_node_id) for reply in replies)
        if self._recorder is not None:
            self._recorder.aggregate(cohort, wire.round_of(sent[0].content), before, state, examples)
        return wire.answer(sent[0], arrays=wire.to_arrays(state), metrics=MetricRecord({wire.NUM_EXAMPLES: examples}))


def _with_cohort(message: Message, keys: ConfigRecord) -> Message:
    """A new message with the keys beside what the strategy sends; the strategy's own record is shared by all."""
    content = RecordDict({**message.content, wire.COHORT: keys})
    return Message(content, message.metadata.dst_node_id, MessageType.TRAIN)
