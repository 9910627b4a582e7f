"""Evaluation after every round: by the clients that the strategy asks, or else by one of ours."""

from collections.abc import Iterable
from dataclasses import dataclass

from flwr.app import ArrayRecord, ConfigRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from fedleak.federation import wire
from fedleak.federation.outcome import Evaluation

from .roster import Roster, greeting

EVALUATION_SECONDS = 3600.0


@dataclass(frozen=True)
class Evaluator:
    """What a strategy calls after each round; the task's test split is the same for all clients, so one will do.

    A client it is, not the server, since some defenses leave layers with the clients.
    """

    roster: Roster
    evaluation: Evaluation

    def __call__(self, round: int, arrays: ArrayRecord) -> None:
        """Enters loss and accuracy; nothing before the first round, or where the client fails, which is counted."""
        if round == 0 or round in self.evaluation:
            return
        content = RecordDict({wire.ARRAYS: arrays, wire.CONFIG: greeting(**{wire.ROUND: round})})
        question = Message(content, self.roster.first, MessageType.EVALUATE)
        for reply in self.roster.send_and_receive([question], timeout=EVALUATION_SECONDS):
            if not reply.has_error():
                metrics = wire.metrics_of(reply.content)
                self.evaluation[round] = {name: metrics[name] for name in ("loss", "accuracy")}


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
