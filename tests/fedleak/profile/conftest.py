"""Small networks, and the updates that clients make with them."""

import pytest
import torch
from torch import nn

from fedleak.contracts.chain import Chain
from fedleak.contracts.observation import Observation
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining, train_locally
from fedleak.learning.update import Update, UpdateKind
from fedleak.learning.weights import Weights
from fedleak.profile.subject import Subject
from fedleak.tasks import weights_of


def networks(kind: str) -> nn.Module:
    torch.manual_seed(0)
    if kind == "mlp":
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 24), nn.ReLU(), nn.Linear(24, 5))
    if kind == "conv":
        return nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.Sigmoid(), nn.Flatten(), nn.Linear(96, 5))
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(96, 5), nn.Dropout(0.0)
    )


@pytest.fixture
def make_task():
    return lambda kind: Task(kind, networks(kind), (1, 4, 4), 5)


@pytest.fixture
def make_batch():
    def make(examples: int, seed: int = 0) -> Batch:
        dice = torch.Generator().manual_seed(seed)
        return Batch(torch.rand(examples, 1, 4, 4, generator=dice), torch.arange(examples) % 5)

    return make


@pytest.fixture
def double():
    def convert(weights: Weights) -> Weights:
        return Weights(
            {n: v.double() for n, v in weights.parameters.items()},
            {n: v.double() if v.is_floating_point() else v for n, v in weights.buffers.items()},
        )

    return convert


@pytest.fixture
def make_subject(make_task, make_batch):
    """What the server and the defender know of a client that trained on so many random examples."""

    def make(kind: str, examples: int, *, defense=(), truth: bool = True, seed: int = 0, **facts) -> Subject:
        task, batch = make_task(kind), make_batch(examples, seed)
        training = LocalTraining(**{"batch_size": examples, **facts})
        before = weights_of(task.network)
        after = train_locally(task, before, batch, training, ("test",))
        update = Update({n: after.parameters[n] - v for n, v in before.parameters.items()}, UpdateKind.DELTA)
        for one in defense:
            update = one.protect(update, torch.Generator().manual_seed(1))
        observation = Observation(
            task=task, before=before, update=update, buffers_after=after.buffers or None, num_examples=examples,
            training=training, defense=Chain(tuple(defense)),
        )  # fmt: skip
        return Subject(
            title=f"a tiny {kind}", observation=observation, truth=batch if truth else None, training=training
        )

    return make
