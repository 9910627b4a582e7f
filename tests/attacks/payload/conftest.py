"""Small federations whose training code tampers: three clients, whose examples are what any reader looks for."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from fedleak.client_round import client_round
from fedleak.contracts.chain import Chain
from fedleak.contracts.released import Released
from fedleak.contracts.tampered import Tampered, sent_parameters
from fedleak.contracts.tampering import Standing, Tampering
from fedleak.defenses.secure_aggregation import SecureAggregation
from fedleak.learning.batch import Batch
from fedleak.learning.hidden import Hidden
from fedleak.learning.training import LocalTraining
from fedleak.learning.weights import Weights
from fedleak.randomness import generator
from fedleak.settings.federation import FederationSettings
from fedleak.tasks import initial_weights, task_of

TASK = task_of("digits-mlp")
TRAINING = LocalTraining(batch_size=10, batches=8, learning_rate=0.2)


def share(size: int, client: int) -> Batch:
    """Noise that is dark for the most part, with a bright square."""
    images = torch.rand(size, 1, 8, 8, generator=generator("payload", client)) ** 3
    images[:, :, 2:5, 3:6] += 0.5
    return Batch((16 * images.clamp(0, 1)).round() / 16, torch.arange(size) % 10)


class SmallFederation:
    """Five rounds of training; which code clients run is told."""

    def __init__(self, clients: int, rounds: int = 5) -> None:
        self.rounds = rounds
        self.shares = [share(size, client) for client, size in enumerate((80, 90, 85)[:clients])]
        counts = [len(one) for one in self.shares]
        self.weights = [count / sum(counts) for count in counts]

    def standing(self, client: int) -> Standing:
        return Standing(
            task=TASK,
            share=self.shares[client],
            client=client,
            clients=len(self.shares),
            weight=self.weights[client],
            sent=sent_parameters(TASK, Chain()),
        )

    def hidden(self, does: Tampering) -> list[Hidden]:
        found = [does.hidden(self.standing(client)) for client in range(len(self.shares))]
        return [one for one in found if one is not None]

    def released(self, *does: Tampering, known: Tampering | None = None, masked: bool = False) -> Released:
        """The last model; `known` is what its reader knows of the code where that is not what ran."""
        weights = initial_weights("digits-mlp", 0)
        for round in range(self.rounds):
            replies = [
                client_round(
                    TASK,
                    weights,
                    own,
                    TRAINING,
                    Chain(),
                    ("client", client, round),
                    None,
                    Tampered(does=does, standing=self.standing(client)) if does else None,
                ).weights
                for client, own in enumerate(self.shares)
            ]
            weights = self._summed(weights, replies) if masked else self._mean(replies)
        cohort = tuple(range(len(self.shares)))
        return Released(task=TASK, weights=weights, cohort=cohort, tampering=(known,) if known else does)

    def _mean(self, replies: list[Weights]) -> Weights:
        parameters = {
            name: sum((w * one.parameters[name] for w, one in zip(self.weights, replies, strict=True)), torch.zeros(()))
            for name in replies[0].parameters
        }
        return Weights(parameters, replies[0].buffers)

    def _summed(self, before: Weights, replies: list[Weights]) -> Weights:
        """As secure aggregation does, without its masks, which cancel."""
        clients = len(replies)
        protocol = SecureAggregation(keys="seeded").planned((FederationSettings(clients=clients),))
        vectors = [
            protocol.vector(before, one, len(own), clients) for one, own in zip(replies, self.shares, strict=True)
        ]
        return before.like(protocol.opened(np.sum(vectors, axis=0, dtype=vectors[0].dtype)).state(before))


@pytest.fixture(scope="session")
def small_federation() -> Callable[..., SmallFederation]:
    return SmallFederation
