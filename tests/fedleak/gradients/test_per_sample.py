"""The mean of the per-sample gradients is the batch's gradient, whatever the network is made of."""

from collections.abc import Callable
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from fedleak.gradients.per_sample import example_gradients
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.training import Step
from fedleak.tasks import weights_of


class Scaled(nn.Module):
    """Multiplies by a constant that is in no `state_dict`."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.full((1,), 3.0), persistent=False)

    def forward(self, value: Tensor) -> Tensor:
        return value * self.get_buffer("scale")


def tied() -> nn.Module:
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    second.weight = first.weight
    return nn.Sequential(nn.Flatten(), first, nn.Tanh(), second, Scaled(), nn.Linear(4, 3))


def shared() -> nn.Module:
    layer = nn.Linear(4, 4)
    return nn.Sequential(nn.Flatten(), layer, nn.Tanh(), layer, nn.Linear(4, 3))


class Recurrent(nn.Module):
    """One layer at each of four places, the first of which is looked up a second time."""

    def __init__(self, padding: int | None = None) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(4, 5, padding_idx=padding), nn.Linear(6, 3)
        self.recurrence = nn.Linear(5, 5)

    def forward(self, value: Tensor) -> Tensor:
        places = (4 * value.flatten(1)).long().clamp(0, 3)
        state = self.embedding(places[:, 0])
        for one in self.embedding(places).unbind(1):
            state = torch.tanh(one + self.recurrence(state))
        return self.head(torch.cat([state, value.flatten(1)[:, :1]], 1))


def recurrent() -> nn.Module:
    return Recurrent()


def padded() -> nn.Module:
    return Recurrent(padding=1)


def partly_frozen() -> nn.Module:
    network = Recurrent()
    network.recurrence.weight.requires_grad_(False)
    network.embedding.requires_grad_(False)
    return network


class Idle(nn.Module):
    """Has a layer that it does not call."""

    def __init__(self) -> None:
        super().__init__()
        self.called, self.left_alone = nn.Linear(4, 3), nn.Linear(4, 3)

    def forward(self, value: Tensor) -> Tensor:
        return self.called(value.flatten(1))


def constant() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 4), Scaled(), nn.Linear(4, 3))


@pytest.mark.parametrize("network", [tied, shared, constant, recurrent, padded, partly_frozen, Idle])
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_their_mean_is_the_gradient_of_the_batch(
    network: Callable[[], nn.Module], mode: Literal["train", "eval"]
) -> None:
    task = Task("made here", network(), (1, 2, 2), 3)
    weights = weights_of(task.network)
    weights.buffers.update({name: value + 1 for name, value in weights.buffers.items()})
    step = Step(task=task, weights=weights, examples=Batch(torch.rand(5, 1, 2, 2), torch.arange(5) % 3), mode=mode)
    singles = example_gradients(step)
    assert list(singles) == list(weights.parameters)
    for name, value in step.gradient().items():
        torch.testing.assert_close(singles[name].mean(0), value)
