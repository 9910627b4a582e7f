"""Homomorphic aggregation on the server: it adds up ciphertexts, and has a client open the sum."""

import logging

import numpy as np
from flwr.app import Message, MetricRecord, RecordDict
from numpy.typing import NDArray

from fedleak.defenses.homomorphic_aggregation import HomomorphicAggregation
from fedleak.defenses.parts.ckks import added
from fedleak.errors import FederationError
from fedleak.federation import wire

from .protocol_layer import ProtocolLayer
from .roster import greeting


class HomomorphicLayer(ProtocolLayer[HomomorphicAggregation]):
    """Turns a training round into the sum of what came, and one reply with the mean, for the strategy.

    Clients that fail are out of the round. Where one alone is left, or nobody opens the sum, the round is lost: the
    strategy gets no reply, and the federation goes on.
    """

    def _round(self, sent: list[Message], timeout: float | None) -> list[Message]:
        replies = list(self.inner.send_and_receive(sent, timeout=timeout))
        round = wire.round_of(sent[0].content)
        try:
            return [self._mean(sent[0], round, replies, timeout)]
        except FederationError as error:
            logging.getLogger(__name__).warning("round %d is lost: %s", round, error)
            self._roster.lost(round, error, left=len([one for one in replies if not one.has_error()]) < 2)
            return []

    def _mean(self, message: Message, round: int, replies: list[Message], timeout: float | None) -> Message:
        came = {one.metadata.src_node_id: wire.answer_of(one.content) for one in replies if not one.has_error()}
        sealed = {node: one for node, one in came.items() if isinstance(one, bytes)}
        if len(sealed) < 2:
            raise FederationError(
                f"expected ciphertexts of 2 clients or more, got {len(sealed)}: a sum over one is none"
            )
        before = self._plan.public_task().split(wire.to_tensors(wire.arrays_of(message.content)))
        total = self._opened(added(self._defense, list(sealed.values())), list(sealed), round, timeout)
        state, examples = self._defense.opened(total, before)
        if self._recorder is not None:
            cohort = tuple(sorted(self._roster.client_of(node) for node in sealed))
            self._recorder.mean(cohort, round, before, state, examples)
        return wire.answer(message, arrays=wire.to_arrays(state), metrics=MetricRecord({wire.NUM_EXAMPLES: examples}))

    def _opened(self, total: bytes, nodes: list[int], round: int, timeout: float | None) -> NDArray[np.float64]:
        """The sum, of the first client that opens it."""
        content = RecordDict({wire.CONFIG: greeting(**{wire.ROUND: round}), **wire.asking(total)})
        for node in nodes:
            question = Message(content, node, wire.OPEN_SUM)
            for reply in self.inner.send_and_receive([question], timeout=timeout):
                found = None if reply.has_error() else wire.answer_of(reply.content)
                if isinstance(found, bytes) and len(found) % 8 == 0:
                    return np.frombuffer(found, "<f8")
        raise FederationError("none of the clients that sent ciphertexts opens their sum")
