"""Evaluation: by the clients that the strategy asks, or else one client tests the model until it no longer improves."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from flwr.app import ArrayRecord, ConfigRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from fedleak.federation import wire
from fedleak.federation.outcome import SETTLED, Evaluation
from fedleak.federation.plan import FederationPlan

from .roster import Roster, greeting

EVALUATION_SECONDS = 3600.0


class Settled(Exception):  # noqa: N818  no error: the accuracy no longer rises, and training ends
    """Raised through Flower's strategies, which know no other way to end before their last round."""


@dataclass
class Plateau:
    """How long the accuracy has not risen.

    A rise is one beyond noise: more than a standard error of an accuracy on so many examples above the last that was.
    Many small rises come to one, so a slow course is none too slow.
    """

    patience: int
    """Evaluations without a rise after which it has settled; 0: never."""
    best: float = -math.inf
    flat: int = 0

    def settled(self, accuracy: float, examples: int | float) -> bool:
        """Takes in one evaluation."""
        if accuracy > self.best + math.sqrt(accuracy * (1 - accuracy) / examples):
            self.best, self.flat = accuracy, 0
        else:
            self.flat += 1
        return 0 < self.patience <= self.flat


@dataclass(frozen=True)
class Evaluator:
    """What a strategy calls after each round; the task's test split is the same for all clients, so one will do.

    A client it is, not the server, since some defenses leave layers with the clients.
    """

    roster: Roster
    evaluation: Evaluation
    plan: FederationPlan
    plateau: Plateau = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "plateau", Plateau(self.plan.utility.patience))

    def __call__(self, round: int, arrays: ArrayRecord) -> None:
        """Enters what a client found; nothing in rounds that are passed over, or where it fails, which is counted.

        Raises `Settled` in a round after the recorded ones where the accuracy no longer rises.
        """
        if not self.plan.evaluated(round) or round in self.evaluation:
            return
        content = RecordDict({wire.ARRAYS: arrays, wire.CONFIG: greeting(**{wire.ROUND: round})})
        question = Message(content, self.roster.first, MessageType.EVALUATE)
        for reply in self.roster.send_and_receive([question], timeout=EVALUATION_SECONDS):
            if not reply.has_error():
                self._enter(round, wire.metrics_of(reply.content))

    def _enter(self, round: int, metrics: dict[str, float]) -> None:
        examples = metrics.pop(wire.NUM_EXAMPLES)
        self.evaluation[round] = metrics
        if self.plateau.settled(metrics["accuracy"], examples) and not self.plan.recorded(round):
            metrics[SETTLED] = float(self.plateau.flat)
            raise Settled


@dataclass(frozen=True)
class Evaluated(Strategy):
    """A strategy whose evaluation is entered round by round, and so survives a round that breaks down."""

    inner: Strategy
    evaluation: Evaluation

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        return self.inner.configure_train(server_round, arrays, config, grid)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        return self.inner.aggregate_train(server_round, replies)

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        return self.inner.configure_evaluate(server_round, arrays, config, grid)

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> MetricRecord | None:
        metrics = self.inner.aggregate_evaluate(server_round, replies)
        if metrics is not None:
            found = {key: float(value) for key, value in metrics.items() if isinstance(value, int | float)}
            self.evaluation[server_round] = found
        return metrics

    def summary(self) -> None:
        self.inner.summary()
