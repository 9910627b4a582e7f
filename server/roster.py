"""Roster: which node is which client, the order of everything, and what went wrong with whom."""

import logging
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from flwr.app import ConfigRecord, Message, MessageType, RecordDict
from flwr.serverapp import Grid

from fedleak.errors import FederationError
from fedleak.federation import wire
from fedleak.federation.outcome import ClientFailure, Cost, client_failure, failure_of_all, lost_round
from fedleak.io.fingerprint import source_fingerprint
from fedleak.randomness import seed_of

from .layer import Answered, Streaming, answered, arriving

logger = logging.getLogger(__name__)
PATIENCE_SECONDS = 60.0
"""How long nodes have to connect."""
HANDSHAKE_SECONDS = 600.0


class Roster(Streaming):
    """Knows the nodes by their partition, so that every engine samples and sums in the same order.

    Collects failures, and ends the federation when a training round has no usable reply at all.
    """

    def __init__(
        self,
        inner: Grid,
        clients: int,
        seed: int,
        failures: list[ClientFailure],
        frozen: frozenset[str] = frozenset(),
        costs: dict[int, Cost] | None = None,
    ) -> None:
        super().__init__(inner)
        self._costs = {} if costs is None else costs
        self._frozen = frozen
        self._seed = seed
        self._asked = 0
        self.failures = failures
        """Grows as clients fail."""
        self._client_of = handshake(inner, clients)
        self._recorded = True

    @contextmanager
    def unrecorded(self) -> Iterator[None]:
        """Within the block the rounds are the ones before the recorded ones; failures count as round 0."""
        self._recorded = False
        try:
            yield
        finally:
            self._recorded = True

    def get_node_ids(self) -> Iterable[int]:
        yield from sorted(self._client_of, key=self.client_of)
        # Strategies list the nodes and at once sample from the global `random`, where other code and other threads draw
        # as they please. So it is seeded at the last moment there is: when the list has been read to its end.
        self._asked += 1
        random.seed(seed_of(self._seed, "sampling", self._asked))

    @property
    def first(self) -> int:
        """The node of the first client."""
        return min(self._client_of, key=self.client_of)

    def node_of(self, client: int) -> int:
        """The node of a partition."""
        return next(node for node, own in self._client_of.items() if own == client)

    def client_of(self, node: int) -> int:
        """The partition of a node."""
        return self._client_of[node]

    def in_turn(self, messages: Iterable[Message]) -> list[Message]:
        """By client."""
        return sorted(messages, key=lambda message: self.client_of(message.metadata.dst_node_id))

    def exchange(self, sent: Sequence[Message], timeout: float | None) -> Iterator[Answered]:
        replies: dict[str, Message] = {}
        for message, reply in arriving(self.inner, sent, timeout):
            replies[message.metadata.message_id] = reply
            yield message, self._whole(message, _in_its_name(message, reply))
        failures = self._failures(sent, replies)
        self.failures += failures
        planned = all(failure.planned for failure in failures)
        if sent and len(failures) == len(sent) and sent[0].metadata.message_type == MessageType.TRAIN and not planned:
            raise failure_of_all(failures, f"round {failures[0].round}: no client sent an update")

    def lost(self, round: int, error: FederationError, *, left: bool, follows: str = "") -> None:
        """Enters a round whose sum could not be opened.

        `left`: because clients have left it, so that it is planned where the experiment asked them all to. `follows` is
        in the reason of those that failed because others had left.
        """
        own = [one for one in self.failures if one.round == round]
        if follows and any(one.planned for one in own):
            planned = [replace(one, planned=one.planned or follows in one.reason) for one in own]
            self.failures[:] = [one for one in self.failures if one.round != round] + planned
            own = planned
        self.failures.append(lost_round(round, error, planned=left and bool(own) and all(one.planned for one in own)))

    def values_cut(self, round: int, count: int) -> None:
        """Enters how many values were cut to the greatest that was declared; nothing of that is silent."""
        if count:
            logger.warning("round %d: %d values were beyond max_value and were cut to it", round, count)
        if count and round in self._costs:
            self._costs[round] = replace(self._costs[round], values_cut=float(count))

    def _whole(self, message: Message, reply: Message) -> Message:
        """The reply with the parameters that are not trained, as the server sent them; strategies average all alike."""
        if not self._frozen or reply.has_error() or not reply.content.array_records:
            return reply
        sent, came = wire.arrays_of(message.content), wire.arrays_of(reply.content)
        if set(came) <= set(sent):  # a masked vector has a name of its own
            came.update({name: sent[name] for name in self._frozen if name in sent and name not in came})
        return reply

    def _failures(self, sent: Sequence[Message], answers: dict[str, Message]) -> list[ClientFailure]:
        failures = []
        for message in sent:
            reply = answers.get(message.metadata.message_id)
            if reply is not None and not reply.has_error():
                continue
            reason = "TimeoutError: no reply came" if reply is None else _reason(reply)
            round = wire.round_of(message.content) if self._recorded else 0
            failures.append(client_failure(self.client_of(message.metadata.dst_node_id), round, reason))
        return failures


def _in_its_name(message: Message, reply: Message) -> Message:
    """The reply as one of the node that was asked, whoever gave it; the layers above go by nodes."""
    if reply.metadata.src_node_id == message.metadata.dst_node_id:
        return reply
    return Message(reply.error if reply.has_error() else reply.content, reply_to=message)


def _reason(reply: Message) -> str:
    return reply.error.reason or f"Flower gives no reason beside its error code {reply.error.code}"


def greeting(**more: Any) -> ConfigRecord:
    """What every message says about the server: a client refuses one that runs other sources."""
    return ConfigRecord({wire.ROUND: 0, wire.FINGERPRINT: source_fingerprint(), **more})


def handshake(grid: Grid, clients: int) -> dict[int, int]:
    """Asks each node which partition it is; raises when one of the first `clients` partitions is not there."""
    nodes = _wait_for_nodes(grid, clients)
    record = RecordDict({wire.CONFIG: greeting()})
    questions = [Message(record, node, MessageType.QUERY) for node in nodes]
    pairs = answered(questions, grid.send_and_receive(questions, timeout=HANDSHAKE_SECONDS))
    partitions = {
        message.metadata.dst_node_id: int(str(reply.content.config_records[wire.CONFIG][wire.PARTITION]))
        for message, reply in pairs
        if not reply.has_error()
    }
    roster = {node: partition for node, partition in partitions.items() if partition < clients}
    if sorted(roster.values()) != list(range(clients)):
        # One that died a moment ago is still among the nodes, and is no loss where another has its share.
        failed = [client_failure(0, 0, _reason(reply)) for _, reply in pairs if reply.has_error()]
        if failed:
            raise failure_of_all(failed, "a client refused to take part")
        raise FederationError(
            f"expected one node for each partition-id from 0 to {clients - 1}, got {sorted(partitions.values())}; "
            "give each node one of its own"
        )
    return roster


def _wait_for_nodes(grid: Grid, clients: int) -> list[int]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(nodes := list(grid.get_node_ids())) < clients:
        if time.monotonic() > deadline:
            raise FederationError(
                f"federation.clients = {clients}, and {len(nodes)} nodes connected in {PATIENCE_SECONDS:.0f} s; "
                f"""start as many (flwr run . --federation-config "num-supernodes={clients}") or ask for fewer"""
            )
        time.sleep(0.2)
    return nodes
