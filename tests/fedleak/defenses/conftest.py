"""Models that a client is sent, made by hand."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from fedleak.contracts.received import Received
from fedleak.data.splits import load
from fedleak.learning.training import LocalTraining, train_locally
from fedleak.learning.weights import Weights
from fedleak.tasks import initial_weights, task_of


def received_by(task: str, examples: int = 16, seed: int = 0) -> Received:
    """The second round of an honest federation of one client, of an example's share each."""
    own = load(task).clients[torch.arange(2 * examples)]
    training, before = LocalTraining(batch_size=examples), initial_weights(task, seed)
    first, second = own[torch.arange(examples)], own[torch.arange(examples, 2 * examples)]
    return Received(
        task=task_of(task),
        weights=train_locally(task_of(task), before, first, training, (seed,)),
        earlier=before,
        fresh=initial_weights(task, seed + 1),
        examples=second,
        training=training,
        round=2,
        digest=b"as sent",
    )


def crafted(received: Received, changes: Mapping[str, Callable[[Tensor], Tensor]]) -> Received:
    """With some parameters changed."""
    made = dict(received.weights.parameters)
    made |= {name: change(made[name]) for name, change in changes.items()}
    return replace(received, weights=Weights(made, received.weights.buffers))


@pytest.fixture
def honest() -> Received:
    """Sixteen digits in the second round."""
    return received_by("digits-mlp")


@pytest.fixture
def make_received() -> Callable[..., Received]:
    return received_by


@pytest.fixture
def craft() -> Callable[..., Received]:
    return crafted
