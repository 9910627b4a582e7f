"""Which units a ReLU lets through, against the layer's own numbers."""

import torch
from torch import nn

from fedleak.gradients.relu_activity import activity
from fedleak.learning.task import Task
from fedleak.randomness import generator
from fedleak.tasks import weights_of


def task_of_layers(*layers: nn.Module) -> Task:
    return Task("layers", nn.Sequential(*layers), (1, 4, 4), 5)


def images(count: int) -> torch.Tensor:
    return torch.rand(count, 1, 4, 4, generator=generator("images"))


def test_activity_is_the_sign_of_what_goes_into_the_relu() -> None:
    task = task_of_layers(nn.Flatten(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 5))
    found = activity(task, weights_of(task.network), images(3), "train")
    assert list(found) == ["1"]
    assert torch.equal(found["1"], task.network[1](images(3).flatten(1)) > 0)


def test_batch_norm_between_counts_for_the_convolution_and_other_activations_for_nothing() -> None:
    convolution = (nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6))
    normed = task_of_layers(*convolution, nn.ReLU(), nn.Flatten(), nn.Linear(96, 5))
    smooth = task_of_layers(*convolution, nn.Sigmoid(), nn.Flatten(), nn.Linear(96, 5))
    found = activity(normed, weights_of(normed.network), images(2), "train")
    assert {name: tuple(value.shape) for name, value in found.items()} == {"0": (2, 96)}
    assert activity(smooth, weights_of(smooth.network), images(2), "train") == {}


def test_nothing_keeps_watching() -> None:
    task = task_of_layers(nn.Flatten(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 5))
    activity(task, weights_of(task.network), images(1), "train")
    assert not any(module._forward_hooks for module in task.network.modules())
