"""Metering: what each round of training cost the clients, in bytes, seconds and memory."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import isfinite, isinf, nan
from statistics import fmean, median

from flwr.app import ConfigRecord, Message, RecordDict
from flwr.serverapp import Grid

from fedleak.federation import wire
from fedleak.federation.outcome import Cost
from fedleak.federation.plan import FederationPlan
from fedleak.learning.update import Update, UpdateKind, dense_bytes
from fedleak.learning.weights import Weights, frozen_in

from .layer import Answered, Streaming, arriving

logger = logging.getLogger(__name__)


@dataclass
class _Tally:
    """What was counted in one round so far."""

    received: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    """Bytes by node."""
    sent: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    encoded: list[int] = field(default_factory=list)
    seconds: dict[int, float] = field(default_factory=lambda: defaultdict(float))
    """By node, over all messages of the round."""
    memory: dict[int, float] = field(default_factory=dict)

    def cost(self) -> Cost:
        """Per client."""
        return Cost(
            bytes_received=_mean(self.received.values()),
            bytes_sent=_mean(self.sent.values()),
            bytes_encoded=_mean(self.encoded),
            client_seconds=median(self.seconds.values()) if self.seconds else nan,
            client_memory=median(self.memory.values()) if self.memory else nan,
        )


class Meter(Streaming):
    """Counts what passes in the recorded rounds, the only ones that costs are reported of; evaluation does not count.

    It sits below the roster and the tap, and takes out of each reply what the client says about its effort: neither
    strategy nor adversary sees it.
    """

    def __init__(self, inner: Grid, plan: FederationPlan, costs: dict[int, Cost]) -> None:
        super().__init__(inner)
        self._plan = plan
        self._costs = costs
        self._tallies: dict[int, _Tally] = defaultdict(_Tally)

    def exchange(self, sent: Sequence[Message], timeout: float | None) -> Iterator[Answered]:
        for message, reply in arriving(self.inner, sent, timeout):
            said = None if reply.has_error() else reply.content.pop(wire.COST, None)
            if _trains(message) and not _pretraining(message.content):
                self._count(message.metadata.dst_node_id, message.content, reply, said)
            yield message, reply

    def _count(self, node: int, question: RecordDict, reply: Message, said: object) -> None:
        round = wire.round_of(question)
        if round < 1 or not self._plan.recorded(round):
            return
        tally = self._tallies[round]
        tally.received[node] += wire.bytes_of(question)
        if not reply.has_error():
            tally.sent[node] += wire.bytes_of(reply.content)
        effort = _effort(said)
        if effort is not None:
            tally.seconds[node] += effort[0]
            tally.memory[node] = max(effort[1], tally.memory.get(node, effort[1]))
            if self._plan.federation.split is None:
                tally.encoded.append(self._encoded(question, reply.content))
        elif said is not None:
            logger.warning("round %d: what node %d says that the round cost it cannot be read; left out", round, node)
        self._costs[round] = tally.cost()

    def _encoded(self, question: RecordDict, answer: RecordDict) -> int:
        """Buffers leave as they are, unless a protocol carries them too."""
        chain, before = self._plan.defenses(), self._weights(question)
        if chain.protocol is not None:
            return chain.encoded_bytes(Update(before.state_dict(), UpdateKind.DELTA))
        after, frozen = wire.to_tensors(wire.arrays_of(answer)), frozen_in(self._plan.public_task().network)
        sent = Update({name: after[name] - value for name, value in before.parameters.items()}, UpdateKind.DELTA)
        buffers = {name: value for name, value in before.buffers.items() if name not in frozen}
        return chain.encoded_bytes(sent) + dense_bytes(buffers)

    def _weights(self, content: RecordDict) -> Weights:
        return self._plan.public_task().split(wire.to_tensors(wire.arrays_of(content)))


def _effort(said: object) -> tuple[float, float] | None:
    """Seconds and bytes of memory (NaN: unknown) that a client says that the round took it; None: nothing of use."""
    if not isinstance(said, ConfigRecord):
        return None
    try:
        seconds, memory = float(str(said[wire.SECONDS])), float(str(said[wire.MEMORY]))
    except (KeyError, ValueError):
        return None
    return None if not isfinite(seconds) or isinf(memory) else (seconds, memory)


def _trains(message: Message) -> bool:
    """Whether a message is part of training; embeddings are asked for then, and when the joint network is tested."""
    kind = message.metadata.message_type
    return kind.startswith("train") or (kind == wire.FORWARD and wire.STEP in wire.config_of(message.content))


def _pretraining(question: RecordDict) -> bool:
    return bool(wire.config_of(question).get(wire.PRETRAINING, False))


def _mean(values: Iterable[int]) -> float:
    known = list(values)
    return fmean(known) if known else nan
