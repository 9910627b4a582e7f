"""Gradient canaries: examples whose gradients are known, in the steps of clients that protect each example.

The network is one linear layer and the loss of an example its score, negative: the gradient is the example itself. All
else is a client's own round: batches, the defense's gradient, the step, and what comes after it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from fedleak.client_round import client_round
from fedleak.contracts.chain import Chain
from fedleak.dp_audit.canaries import Canaries
from fedleak.learning.batch import Batch
from fedleak.learning.facts import LocalTraining
from fedleak.learning.loss import Criterion, Labels, Scores
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights
from fedleak.randomness import one_thread

Draw = Callable[[int, int], Int[Tensor, " batch"]]
"""Which examples of its share a client uses in a round."""
Heard = Callable[[int, int, Float[Tensor, " entries"]], None]
"""Hears of each step: client, round, and the sum over the batch that the defense made."""
ACTING = frozenset({"examples", "gradient", "state", "update"})


@dataclass(frozen=True, kw_only=True)
class Linear(Criterion):
    """The score of an example, negative."""

    @property
    def words(self) -> str:
        return "the negative score"

    def each(self, scores: Scores, labels: Labels) -> Float[Tensor, " batch"]:  # noqa: ARG002
        return -scores[:, 0]


@dataclass(frozen=True, kw_only=True)
class ExampleCanaries:
    """Clients whose examples are canaries, all in one share of `canaries.count`, a batch of it a round.

    Directions are the same for all clients, coins are not.
    """

    chain: Chain
    """As it acts in a run."""
    canaries: Canaries
    clients: int
    rounds: int
    batch: int
    seed: int
    steady: bool = False
    """Whether a canary keeps its sign in all rounds."""
    drawn: Draw | None = None
    """Which examples of its share a client uses in a round; None: all of them."""

    def sign(self, client: int, slot: int, round: int) -> int:
        """Of one example of a client."""
        return self.canaries.sign(client * self.canaries.count + slot, 0 if self.steady else round)

    def steps(self, heard: Heard) -> None:
        """Runs all clients through all rounds, one step each."""
        network = nn.Linear(self.canaries.entries, 1, bias=False)
        task = Task("canaries", network, (self.canaries.entries,), 1, criterion=Linear())
        before = Weights.of(network).clone()
        before.parameters["weight"].zero_()
        chain = Chain(tuple(defense for defense in self.chain.local if defense.acts_on & ACTING))
        whole = LocalTraining(batch_size=self.batch, batches=1, epochs=1, learning_rate=1.0)
        with one_thread():
            for round in range(1, self.rounds + 1):
                for client in range(self.clients):
                    examples = self._examples(client, round)
                    size = min(self.batch, len(examples))
                    training = replace(whole, batch_size=size)
                    sent = client_round(
                        task, before, examples, training, chain, (self.seed, "client", client, round), None, None
                    )
                    moved = (sent.weights.parameters["weight"] - before.parameters["weight"]).reshape(-1)
                    heard(client, round, size * moved)

    def _examples(self, client: int, round: int) -> Batch:
        signs = torch.tensor([self.sign(client, slot, round) for slot in range(self.canaries.count)])
        inputs = self.canaries.norm * signs[:, None] * self._directions
        share = Batch(inputs, torch.zeros(len(inputs), dtype=torch.long))
        return share if self.drawn is None else share[self.drawn(client, round)]

    @property
    def _directions(self) -> Float[Tensor, "canaries entries"]:
        return torch.stack([self.canaries.direction(slot) for slot in range(self.canaries.count)])
