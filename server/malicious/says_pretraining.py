"""A server that says that the recorded rounds have not begun, in which clients train without defenses."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from flwr.app import ConfigRecord, Message, RecordDict

from fedleak.contracts.chain import Chain
from fedleak.contracts.manipulation import manipulations
from fedleak.federation import wire
from fedleak.learning.training import LocalTraining

from ..layer import Layer
from .parts.lie import SUMS, Lie, LyingRound
from .parts.place import Place


@manipulations.register("says-pretraining")
@dataclass(frozen=True, kw_only=True)
class SaysPretraining(Lie):
    """Downgrade to undefended training: the victim is told that a round is one of those before the defenses begin.

    A client that believes it sends what it learns of its whole share without masks and without noise. The server
    orchestrates the protocol, and so says which messages belong to it (the paper, on sybils, has no better name for it
    than imbalance of power).
    """

    paper: ClassVar = "https://arxiv.org/abs/2301.04017"
    cites: ClassVar = "boenisch2023reconstructing"
    deed: ClassVar[str] = "says to its victim that a round is one before the defenses begin"
    takes: ClassVar[str] = "clients that do not remember which rounds they have answered and planned"
    lies_in: ClassVar[tuple[str | None, ...]] = (None, *SUMS)

    def above(self, inner: Layer, place: Place) -> Layer:
        return Pretending(inner, self.victim, place)


class Pretending(LyingRound):
    """Asks the victim alone, before the round begins."""

    def round(self, sent: list[Message], timeout: float | None) -> Iterable[Message]:
        [own] = [one for one in self.place.grid.leaving(sent) if self.place.client_of(one) == self.victim]
        round, answers = wire.round_of(own.content), list[Message]()
        with self.place.aside(round):
            answers = [*self.place.roster.send_and_receive([_earlier(own, self.place)], timeout=timeout)]
        replies = list(self.inner.send_and_receive(sent, timeout=timeout))
        for answer in answers:
            if not answer.has_error():
                self._keep(round, answer.content)
        return replies

    def _keep(self, round: int, answer: RecordDict) -> None:
        """Its weights, which are of its whole share and have no defense behind them."""
        examples, model = int(wire.metrics_of(answer)[wire.NUM_EXAMPLES]), self.place.plan.model
        training = LocalTraining(
            batch_size=model.trained_batch_size,
            batches=-(-examples // model.trained_batch_size),
            learning_rate=model.trained_learning_rate,
            momentum=model.trained_momentum,
        )
        state = wire.to_tensors(wire.arrays_of(answer))
        self.place.keep(self.victim, round, state, examples, training, Chain())


def _earlier(message: Message, place: Place) -> Message:
    """The same question, as one of the last round before those that are recorded."""
    said = {wire.PRETRAINING: True, wire.ROUND: max(1, place.plan.model.trained_rounds)}
    config = ConfigRecord({**wire.config_of(message.content), **said})
    content = RecordDict({wire.CONFIG: config, wire.ARRAYS: wire.arrays_of(message.content)})
    return Message(content, message.metadata.dst_node_id, message.metadata.message_type)
