"""PATE on the server: counts the teachers' votes, and has a client train the student."""

import logging
from collections.abc import Iterable

import numpy as np
import torch
from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
from jaxtyping import Float
from torch import Tensor

from fedleak.defenses.pate import PATE
from fedleak.errors import FederationError
from fedleak.federation import wire

from .protocol_layer import ProtocolLayer
from .roster import greeting

logger = logging.getLogger(__name__)


class TeachersLayer(ProtocolLayer[PATE]):
    """Turns training rounds into those of teachers: the model that the strategy gets stays what it is until they vote.

    It is the student from then on, and nobody is asked again. Clients that fail do not vote; where fewer than two are
    left the round is lost, and the model stays the first one.
    """

    def _round(self, sent: list[Message], timeout: float | None) -> list[Message]:
        message, round = sent[0], wire.round_of(sent[0].content)
        model = wire.arrays_of(message.content)
        last = self._plan.federation.rounds
        if round > last:
            return [_as_is(message, model, 1)]
        replies = [one for one in self.inner.send_and_receive(sent, timeout=timeout) if not one.has_error()]
        if round < last:
            return [_as_is(message, model, 1)] if replies else []
        try:
            votes = self._votes(replies)
            labels = self._defense.labels(torch.stack(votes).sum(0))
            return [_as_is(message, self._student(message, labels, replies, timeout), len(labels))]
        except FederationError as error:
            logger.warning("round %d is lost: %s", round, error)
            self._roster.lost(round, error, left=len(replies) < 2)
            return []

    def _votes(self, replies: Iterable[Message]) -> list[Float[Tensor, "queries classes"]]:
        """Those that can be counted; raises where fewer than two can."""
        shape = (self._defense.queries, self._plan.public_task().classes)
        came = [wire.to_tensors(wire.arrays_of(one.content)).get(wire.VOTES) for one in replies]
        votes = [one for one in came if one is not None and one.shape == shape and one.isfinite().all()]
        if len(votes) < 2:
            raise FederationError(f"expected the votes of 2 clients or more, got {len(votes)}: one hides in no sum")
        return votes

    def _student(
        self, message: Message, labels: Tensor, replies: Iterable[Message], timeout: float | None
    ) -> ArrayRecord:
        """The model of the first client that trains it."""
        asked = wire.asking(np.asarray(labels.numpy(), "<i8").tobytes())
        own = {wire.ARRAYS: wire.arrays_of(message.content)}
        config = {wire.CONFIG: greeting(**{wire.ROUND: wire.round_of(message.content)})}
        for node in [one.metadata.src_node_id for one in replies]:
            question = Message(RecordDict({**own, **config, **asked}), node, wire.STUDENT)
            for reply in self.inner.send_and_receive([question], timeout=timeout):
                if not reply.has_error():
                    return wire.arrays_of(reply.content)
        raise FederationError("none of the clients that voted trains the student")


def _as_is(message: Message, model: ArrayRecord, examples: int) -> Message:
    """One reply with this model, for the strategy."""
    return wire.answer(message, arrays=model, metrics=MetricRecord({wire.NUM_EXAMPLES: examples}))
