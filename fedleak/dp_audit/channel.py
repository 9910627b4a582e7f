"""The channel of an audit: a federation by Flower whose clients send canaries through their defenses.

Messages, strategy and defenses are those of any run; in the place of what training found stands a canary.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pkgutil import resolve_name
from typing import Any

import torch
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord
from flwr.app.exception import AppExitException
from jaxtyping import Float
from torch import Tensor

from fedleak.client_round import defended
from fedleak.contracts.chain import Chain
from fedleak.dp_audit.canaries import Canaries
from fedleak.errors import ConfigError
from fedleak.federation import wire
from fedleak.federation.engine import quiet_flower
from fedleak.federation.loopback import LoopbackGrid
from fedleak.federation.plan import FederationPlan
from fedleak.learning.task import Task
from fedleak.learning.update import Update, UpdateKind
from fedleak.learning.weights import NamedTensors, Weights, frozen_in
from fedleak.randomness import one_thread, seeded
from fedleak.settings.federation import FederationSettings
from fedleak.settings.task import TaskSettings

_SECONDS = 3600.0
_LEAST = 1e-12
"""Each entry of what others than canaries contribute: not 0, as Flower's clipping divides by a norm."""
STRATEGY = "fedleak.server.strategies:build_strategy"


@dataclass(frozen=True, kw_only=True)
class Release:
    """Something that the adversary sees of a round."""

    round: int
    clients: tuple[int, ...]
    """Whose message it is, or who are in the sum."""
    moved: Float[Tensor, " entries"]
    """What came, less what was sent; of a mean, times the number of those who are in it."""
    buffers: Float[Tensor, " buffered"]
    """The same of the buffers."""


Heard = Callable[[Release], None]


@dataclass(frozen=True, kw_only=True)
class CanaryFederation:
    """A federation whose first clients are canaries; the others send next to nothing."""

    task: Task
    """With the network that is trained under the chain."""
    settings: TaskSettings
    chain: Chain
    """As it acts in a run."""
    federation: FederationSettings
    """How clients train under the chain; rounds and clients are those of the audit."""
    canaries: Canaries
    seed: int
    counts: Mapping[int, int] = field(default_factory=dict)
    """Examples that a client reports; 1 where nothing is said."""
    buffers: float = 0.0
    """What a canary adds to each of the network's buffers, times its sign."""

    def messages(self, heard: Heard) -> None:
        """Runs it; each message is heard as it comes."""

        sent: dict[int, NamedTensors] = {}

        def came(question: Message, reply: Message) -> None:
            round = wire.round_of(question.content)
            if round not in sent:  # all clients are sent the same
                sent.clear()
                sent[round] = wire.to_tensors(wire.arrays_of(question.content))
            before = self._like.like(sent[round])
            after = self._like.like({**sent[round], **wire.to_tensors(wire.arrays_of(reply.content))})
            heard(_released(before, after, round, (_client(question),)))

        self._run(came)

    def sums(self, heard: Heard) -> None:
        """Runs it; of each round the sum is heard that the next model is the mean of."""
        last, there = list[Weights](), list[int]()

        def came(question: Message, reply: Message) -> None:  # noqa: ARG001
            there.append(_client(question))

        def aggregated(round: int, arrays: ArrayRecord) -> None:
            weights = self._like.like(wire.to_tensors(arrays))
            if round:
                heard(_released(last[-1], weights, round, tuple(sorted(there))))
            last[:] = [weights]
            there.clear()

        self._run(came, aggregated)

    def _run(
        self,
        came: Callable[[Message, Message], None],
        aggregated: Callable[[int, ArrayRecord], None] | None = None,
    ) -> None:
        refusals: list[str] = []

        def listen(question: Message, reply: Message) -> None:
            if reply.has_error():
                refusals.append(str(reply.error.reason))
            else:
                came(question, reply)

        def evaluated(round: int, arrays: ArrayRecord) -> MetricRecord | None:
            if aggregated is not None:
                aggregated(round, arrays)
            return None

        plan = FederationPlan(
            seed=self.seed, task=self.settings, federation=self.federation, recordings="", vault="", records=()
        )
        with quiet_flower(), one_thread(), seeded(self.seed, "sampling"):
            strategy = resolve_name(STRATEGY)(plan)
            grid = LoopbackGrid(self._answer, self.federation.clients, {}, listen)
            start = wire.to_arrays(Weights.of(self.task.network).state_dict())
            config = ConfigRecord({wire.ROUND: 0})
            try:
                strategy.start(grid, start, self.federation.rounds, _SECONDS, config, config, evaluated)
            except (AppExitException, ValueError, KeyError) as error:
                raise ConfigError(self._refused(f"{type(error).__name__}: {error}")) from error
        if refusals:
            raise ConfigError(self._refused(refusals[0]))

    def _refused(self, why: str) -> str:
        return (
            f"federation.strategy: {self.federation.strategy} does not take what canary clients reply ({why}); audit "
            "the chain under FedAvg"
        )

    def _answer(self, message: Message, context: Context) -> Message:
        """The reply of a client."""
        client, round = int(context.node_config[wire.PARTITION]), wire.round_of(message.content)
        before, kept = self._like.like(wire.to_tensors(wire.arrays_of(message.content))), wire.kept_of(context)
        sent = defended(
            self.task, before, before, self._after(before, client, round), self.chain,
            (self.seed, "client", client, round), kept,
        )  # fmt: skip
        wire.keep(context, sent.kept, kept)
        state = {name: value for name, value in sent.weights.state_dict().items() if name not in self._frozen}
        metrics = MetricRecord({wire.NUM_EXAMPLES: self.counts.get(client, 1)})
        return wire.answer(message, arrays=wire.to_arrays(state), metrics=metrics)

    def _after(self, before: Weights, client: int, round: int) -> Weights:
        canary = client < self.canaries.count
        given = self.canaries.contribution(client, round) if canary else torch.full((self.canaries.entries,), _LEAST)
        own = Update(before.parameters, UpdateKind.DELTA).with_vector(given)
        added = self.canaries.sign(client, round) * self.buffers * canary
        return Weights(
            {name: value + own.tensors[name] for name, value in before.parameters.items()},
            {name: value + added if value.is_floating_point() else value for name, value in before.buffers.items()},
        )

    @cached_property
    def _like(self) -> Weights:
        return Weights.of(self.task.network)

    @cached_property
    def _frozen(self) -> frozenset[str]:
        return frozen_in(self.task.network)


def _client(question: Message) -> int:
    """Whom the loopback sends it to."""
    return question.metadata.dst_node_id - 1


def _released(before: Weights, after: Weights, round: int, clients: tuple[int, ...]) -> Release:
    def moved(old: Mapping[str, Any], new: Mapping[str, Any]) -> Tensor:
        found = [(new[name] - value).reshape(-1) for name, value in old.items() if value.is_floating_point()]
        return len(clients) * torch.cat(found) if found else torch.zeros(0)

    return Release(
        round=round,
        clients=clients,
        moved=moved(before.parameters, after.parameters),
        buffers=moved(before.buffers, after.buffers),
    )
