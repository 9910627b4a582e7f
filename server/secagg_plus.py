"""Flower's SecAgg+ on the server: its own workflow, unmodified, between the strategy and the tap."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from flwr.app import ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.common import FitIns, FitRes, Parameters, parameters_to_ndarrays
from flwr.common.secure_aggregation.crypto.shamir import combine_shares
from flwr.common.secure_aggregation.secaggplus_constants import RECORD_KEY_CONFIGS
from flwr.compat.common import recorddict_compat as compat
from flwr.server.client_proxy import ClientProxy
from flwr.server.compat.grid_client_proxy import GridClientProxy
from flwr.server.compat.legacy_context import LegacyContext
from flwr.server.strategy import FedAvg
from flwr.server.workflow import SecAggPlusWorkflow
from flwr.server.workflow.constant import MAIN_CONFIGS_RECORD, MAIN_PARAMS_RECORD
from flwr.server.workflow.constant import Key as WorkflowKey
from flwr.serverapp import Grid
from torch import Tensor

from fedleak.defenses.secure_aggregation_flower import SecureAggregationFlower, sendable
from fedleak.errors import FederationError, FedleakError
from fedleak.federation import secagg_plus, wire
from fedleak.learning.weights import NamedTensors, Weights, frozen_in
from fedleak.settings.dropouts import Stage

from .layer import Layer
from .protocol_layer import ProtocolLayer
from .roster import greeting

logger = logging.getLogger(__name__)


class FlowerAggregationLayer(ProtocolLayer[SecureAggregationFlower]):
    """Turns a training round into Flower's workflow and one reply with the mean, for the strategy.

    Where the workflow gives up, or all its clients do when masks are to be removed, the round is lost: the strategy
    gets no reply, and the federation goes on.
    """

    def _round(self, sent: list[Message], timeout: float | None) -> list[Message]:
        relay = Relay(self.inner, sent, timeout, self._overhear)
        results = self._run(relay, sent)
        if results:
            return [self._mean(sent[0], results, relay)]
        round, error = wire.round_of(sent[0].content), FederationError(self._sentence(relay))
        logger.warning("round %d is lost: %s", round, error)
        self._roster.lost(round, error, left=True, follows="KeyError" if relay.stage == "unmask" else "")
        return []

    def _sentence(self, relay: "Relay") -> str:
        """Why a round is lost."""
        early = self._clients(relay.silent["advertise"] | relay.silent["share"])
        if early and relay.stage == "unmask":
            who = f"client{'s' if len(early) > 1 else ''} {', '.join(map(str, early))}"
            return (
                f"{who} left before dealing out shares, and Flower's clients cannot remove masks without them (their "
                "KeyError): no sum is opened"
            )
        return (
            f"Flower's workflow gave up at the stage '{relay.stage}': fewer clients of a neighbourhood answered than "
            "reconstruction_threshold asks for; no sum is opened"
        )

    def _overhear(self, messages: Iterable[Message]) -> None:
        """Keeps the public keys that are relayed, by the client that they go to, for the record."""
        if self._recorder is not None:
            self._recorder.relayed.clear()
            for message in messages:
                keys = secagg_plus.keys_in(message.content)
                own = {str(self._roster.client_of(node)): key.hex() for node, key in keys.items()}
                self._recorder.relayed[self._roster.client_of(message.metadata.dst_node_id)] = own

    def _run(self, relay: "Relay", sent: list[Message]) -> list[tuple[ClientProxy, FitRes]]:
        """What the workflow hands to a strategy: the mean, once for each client that is in it; nothing if it has none.

        When masks are to be removed, clients that all refuse do so by the protocol; before, something is wrong.
        """
        strategy = OneRound([GridClientProxy(node, relay, 0) for node in relay.nodes])
        context = LegacyContext(Context(0, 0, {}, RecordDict(), {}), strategy=strategy)
        round = ConfigRecord({WorkflowKey.CURRENT_ROUND: wire.round_of(sent[0].content)})
        context.state.config_records[MAIN_CONFIGS_RECORD] = round
        context.state.array_records[MAIN_PARAMS_RECORD] = compat.parameters_to_arrayrecord(NOTHING, True)
        try:
            SecAggPlusWorkflow(**{"timeout": None, **self._defense.options()})(relay, context)
        except FedleakError:
            if relay.stage != "unmask":
                raise
        return strategy.results

    def _mean(self, message: Message, results: list[tuple[ClientProxy, FitRes]], relay: "Relay") -> Message:
        """The mean over the clients that sent masked vectors, as one reply; also for the record."""
        task, round = self._plan.public_task(), wire.round_of(message.content)
        before = task.split(wire.to_tensors(wire.arrays_of(message.content)))
        arrays = [torch.tensor(array) for array in parameters_to_ndarrays(results[0][1].parameters)]
        state = state_of(before, arrays, frozen_in(task.network))
        examples = sum(fit.num_examples for _, fit in results)
        cohort = self._clients(proxy.node_id for proxy, _ in results)
        if self._recorder is not None:
            self._recorder.mean(cohort, round, before, state, examples)
            for node, seed in relay.own_seeds().items():
                self._recorder.unmasked(self._roster.client_of(node), round, seed)
        metrics = MetricRecord({wire.NUM_EXAMPLES: examples})
        return wire.answer(message, arrays=wire.to_arrays(state), metrics=metrics)

    def _clients(self, nodes: Iterable[int]) -> tuple[int, ...]:
        return tuple(sorted(self._roster.client_of(node) for node in nodes))


NOTHING = Parameters([], "numpy.ndarray")
"""The workflow carries no model: the relay puts the strategy's own message in its place."""


class OneRound(FedAvg):
    """Flower's legacy strategy as the workflow asks for one: it trains whom ours chose, and keeps what comes of it."""

    def __init__(self, proxies: list[ClientProxy]) -> None:
        super().__init__()
        self._proxies = proxies
        self.results: list[tuple[ClientProxy, FitRes]] = []

    def configure_fit(self, *_: Any) -> list[tuple[ClientProxy, FitIns]]:
        return [(proxy, FitIns(NOTHING, {})) for proxy in self._proxies]

    def aggregate_fit(
        self,
        server_round: int,  # noqa: ARG002
        results: list[tuple[ClientProxy, FitRes]],
        failures: Any,  # noqa: ARG002
    ) -> tuple[None, dict[str, Any]]:
        self.results = results
        return None, {}


class Relay(Layer):
    """What the workflow talks to: it adds to its messages what clients know a round by, and the model in its stage.

    It keeps who was silent in a stage, and the shares that came back when masks were to be removed.
    """

    def __init__(
        self,
        inner: Grid,
        trained: list[Message],
        timeout: float | None,
        overhear: Callable[[Iterable[Message]], None],
    ) -> None:
        super().__init__(inner)
        self._trained = {message.metadata.dst_node_id: message for message in trained}
        self._timeout = timeout
        self._overhear = overhear
        self._shares: dict[int, list[bytes]] = defaultdict(list)
        self.stage: Stage = "advertise"
        """The latest."""
        self.silent: dict[Stage, set[int]] = defaultdict(set)
        """The nodes that did not answer, by stage."""

    @property
    def nodes(self) -> list[int]:
        """Those that take part."""
        return list(self._trained)

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        asked = [self._completed(message) for message in messages]
        if self.stage == "share":
            self._overhear(asked)
        limit = self._timeout if timeout is None else timeout
        replies = list(self.inner.send_and_receive(asked, timeout=limit))
        answered = {reply.metadata.src_node_id for reply in replies if not reply.has_error()}
        self.silent[self.stage] |= {message.metadata.dst_node_id for message in asked} - answered
        if self.stage == "unmask":
            self._collect(reply.content for reply in replies if not reply.has_error())
        return replies

    def own_seeds(self) -> dict[int, int]:
        """The seed of each client's own mask, by node, from the shares: what the workflow itself removes masks by."""
        return {node: secagg_plus.folded(combine_shares(shares)) for node, shares in self._shares.items()}

    def _completed(self, message: Message) -> Message:
        content, node = message.content, message.metadata.dst_node_id
        self.stage = secagg_plus.stage_of(content)
        trained = self._trained[node].content
        own = trained if self.stage == "masked" else {wire.CONFIG: greeting(**{wire.ROUND: wire.round_of(trained)})}
        whole = RecordDict({**own, RECORD_KEY_CONFIGS: secagg_plus.record_of(content)})
        return Message(whole, node, message.metadata.message_type, group_id=message.metadata.group_id)

    def _collect(self, answers: Iterable[RecordDict]) -> None:
        """Keeps shares of the seeds of those who sent a vector; of the others it is their private key."""
        gone = set[int]().union(*(self.silent[stage] for stage in ("advertise", "share", "masked")))
        for node, share in (one for content in answers for one in secagg_plus.shares_in(content)):
            if node not in gone:
                self._shares[node].append(share)


def state_of(before: Weights, arrays: list[Tensor], frozen: frozenset[str]) -> NamedTensors:
    """The mean by name, with what is not trained as it was. Counters become float64, as in Flower's own average."""
    state = before.state_dict()
    sent = zip(sendable(before, frozen).items(), arrays, strict=True)
    mean = {name: array.reshape(value.shape).to(_averaged(value.dtype)) for (name, value), array in sent}
    return {name: mean.get(name, value) for name, value in state.items()}


def _averaged(dtype: torch.dtype) -> torch.dtype:
    return dtype if dtype.is_floating_point else torch.float64
