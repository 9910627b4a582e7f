"""Evaluator: one client tests the new model after every round, where its accuracy should be known."""

from dataclasses import dataclass

from flwr.app import ArrayRecord, Message, MessageType, RecordDict

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
        if round == 0:
            return
        content = RecordDict({wire.ARRAYS: arrays, wire.CONFIG: greeting(**{wire.ROUND: round})})
        question = Message(content, self.roster.first, MessageType.EVALUATE)
        for reply in self.roster.send_and_receive([question], timeout=EVALUATION_SECONDS):
            if not reply.has_error():
                metrics = wire.metrics_of(reply.content)
                self.evaluation[round] = {name: metrics[name] for name in ("loss", "accuracy")}
