"""Trainings as people write them, each seen by a watcher."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from fedleak.audit.understanding import Update
from fedleak.audit.watch import Watcher

APPS = Path(__file__).resolve().parents[2] / "apps"
Train = Callable[[nn.Module, Tensor, Tensor], object]


def convnet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2), nn.Flatten(),
        nn.Linear(4 * 16, 5),
    )  # fmt: skip


@pytest.fixture
def images() -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(3)
    return torch.rand(6, 3, 8, 8, generator=rng), torch.randint(5, (6,), generator=rng)


@pytest.fixture
def seen(images: tuple[Tensor, Tensor]) -> Callable[..., Update]:
    """What a server and a watcher have of one client's training."""

    def watched(train: Train, network: nn.Module | None = None) -> Update:
        torch.manual_seed(0)
        network = convnet() if network is None else network
        sent = {name: value.clone() for name, value in network.state_dict().items()}
        with Watcher().watching() as training:
            train(network, *images)
        received = {name: value.clone() for name, value in network.state_dict().items()}
        return Update(
            client=0, round=1, sent=sent, received=received, reported={"num-examples": 6.0}, training=training
        )

    return watched
