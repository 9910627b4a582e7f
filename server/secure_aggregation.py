"""Secure aggregation on the server: relays keys and shares, adds up masked vectors, bears with who leaves."""

import logging
from collections import Counter
from collections.abc import Mapping

from flwr.app import Message, MetricRecord, RecordDict

from fedleak.defenses.secure_aggregation import SecureAggregation
from fedleak.errors import FederationError
from fedleak.federation import wire
from fedleak.federation.outcome import ClientFailure, client_failure, failure_of_all
from fedleak.secure_aggregation.roster import TooFewError
from fedleak.secure_aggregation.server import Server

from .protocol_layer import ProtocolLayer
from .roster import greeting

logger = logging.getLogger(__name__)


class RoundLost(Exception):  # noqa: N818  no error of the run: the next round goes on
    """A round whose sum cannot be opened, raised from the reason."""


class SecureAggregationLayer(ProtocolLayer[SecureAggregation]):
    """Turns a training round into the stages of the protocol and one reply with the mean, for the strategy.

    A client that fails, or answers what is none, is out of the round; the sum is that of the others. Where too few are
    left the round is lost: the strategy gets no reply, and the federation goes on.
    """

    def _round(self, sent: list[Message], timeout: float | None) -> list[Message]:
        try:
            return [self._sum(sent, timeout)]
        except RoundLost as lost:
            round, reason = wire.round_of(sent[0].content), lost.__cause__
            logger.warning("round %d is lost: %s", round, reason)
            self._roster.lost(round, FederationError(str(reason)), left=isinstance(reason, TooFewError))
            return []

    def _sum(self, sent: list[Message], timeout: float | None) -> Message:
        """The mean over the clients that stayed, as one reply."""
        content = sent[0].content
        round = wire.round_of(content)
        before = self._plan.public_task().split(wire.to_tensors(wire.arrays_of(content)))
        trained = {self._roster.client_of(message.metadata.dst_node_id): message for message in sent}
        session = self._defense.session(self._plan.session_name(round))
        models = self._models(sent)
        server = Server(session, trained, self._defense.entries(before), _rarest(models))
        questions: Mapping[int, bytes | None] = dict.fromkeys(trained)
        while (stage := server.stage) is not None:
            self._ask(server, stage, {client: (trained[client], asked) for client, asked in questions.items()}, timeout)
            questions = _closed(server)
        if len({models[client] for client in server.survivors}) > 1:
            raise RoundLost from FederationError(
                "clients were sent different models, and masks are bound to the model, so nothing cancels in the sum"
            )
        try:
            opened = self._defense.opened(server.total)
        except FederationError as error:
            raise RoundLost from error
        if self._recorder is not None:
            self._recorder.aggregate(server.survivors, round, before, server.total, opened)
        self._roster.values_cut(round, opened.cut)
        metrics = MetricRecord({wire.NUM_EXAMPLES: opened.examples})
        return wire.answer(sent[0], arrays=wire.to_arrays(opened.state(before)), metrics=metrics)

    def _models(self, sent: list[Message]) -> dict[int, bytes]:
        """What the masks of each client are bound to, by the model that it is really sent."""
        left = self.leaving(sent)
        records = {id(wire.arrays_of(one.content)): one.content for one in left}
        digests = {record: self._defense.bound_to(wire.model_digest(content)) for record, content in records.items()}
        clients = [self._roster.client_of(one.metadata.dst_node_id) for one in left]
        return {client: digests[id(wire.arrays_of(one.content))] for client, one in zip(clients, left, strict=True)}

    def _ask(
        self, server: Server, stage: str, asked: Mapping[int, tuple[Message, bytes | None]], timeout: float | None
    ) -> None:
        """Gives the server what the clients answer in a stage.

        Raises where all of them fail, and not because the experiment asks for it: what they say is said then.
        """
        round, known = wire.round_of(next(iter(asked.values()))[0].content), len(self._roster.failures)
        messages = [_question(stage, round, *one) for one in asked.values()]
        for reply in self.inner.send_and_receive(messages, timeout=timeout):
            if not reply.has_error():
                self._receive(server, stage, round, reply)
        failures = self._roster.failures[known:]
        if len(failures) == len(asked) and not all(failure.planned for failure in failures):
            raise failure_of_all(failures, f"round {round}: no client answered '{stage}' of secure aggregation")

    def _receive(self, server: Server, stage: str, round: int, reply: Message) -> None:
        """Hands an answer on; one that is refused is as good as none."""
        client = self._roster.client_of(reply.metadata.src_node_id)
        try:
            server.receive(client, wire.answer_of(reply.content))
        except FederationError as error:
            logger.warning("round %d, stage '%s', client %d is refused: %s", round, stage, client, error)
            self._roster.failures.append(_refused(client, round, error))


def _rarest(models: Mapping[int, bytes]) -> bytes:
    """Of several models the one that fewest were sent: whose update a server is after that sends several."""
    counts = Counter(models.values())
    return min(models.values(), key=lambda model: (counts[model], model))


def _question(stage: str, round: int, message: Message, asked: bytes | None) -> Message:
    """What a client is asked in a stage; what is masked answers the strategy's own message, whose record is shared."""
    own = message.content if stage == wire.MASKED else {wire.CONFIG: greeting(**{wire.ROUND: round})}
    content = RecordDict({**own, **wire.asking(asked)})
    return Message(content, message.metadata.dst_node_id, wire.MESSAGE_TYPES[stage])


def _closed(server: Server) -> Mapping[int, bytes]:
    """The questions of the next stage."""
    try:
        return server.close()
    except FederationError as error:
        raise RoundLost from error


def _refused(client: int, round: int, error: FederationError) -> ClientFailure:
    return client_failure(client, round, f"{type(error).__name__}: {error}")
