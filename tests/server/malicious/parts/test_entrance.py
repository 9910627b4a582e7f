"""Entrance: the first module that sees the whole image, whatever comes before it."""

import pytest
import torch
from torch import Tensor, nn

from fedleak.errors import ConfigError
from fedleak.learning.layers import normalize_inputs
from fedleak.learning.task import Task
from fedleak.randomness import generator
from fedleak.server.malicious.parts.entrance import entering, entrance
from fedleak.tasks import initial_weights, task_of, weights_of


@pytest.mark.parametrize(
    ("task", "place"),
    [("photos-convnet", "0"), ("photos-wide-mlp", "0"), ("digits-vit", "embedding"), ("diabetes-mlp", "0")],
)
def test_it_is_the_module_that_runs_first(task: str, place: str) -> None:
    assert entrance(task_of(task)) == place


def test_what_enters_is_the_image_as_it_is_normalized() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(32, 4))
    normalize_inputs(network, (0.5,), (0.25,))
    task = Task("tiny", network, (1, 6, 6), 4)
    images = torch.rand(3, 1, 6, 6, generator=generator(0))
    seen = entering(task, weights_of(network), entrance(task), images)
    assert torch.allclose(seen, (images.flatten(1).double() - 0.5) / 0.25, atol=1e-6)
    assert not network[0]._forward_pre_hooks


def test_weights_stay_what_they_are() -> None:
    task = task_of("photos-bn-convnet")
    weights = initial_weights("photos-bn-convnet", 0)
    kept = weights.clone()
    entering(task, weights, "1", torch.rand(4, *task.shape, generator=generator(1)))
    assert all(torch.equal(value, kept.state_dict()[name]) for name, value in weights.state_dict().items())


class Halves(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Linear(18, 4)

    def forward(self, images: Tensor) -> Tensor:
        return self.left(images.flatten(1)[:, :18])


def test_a_network_whose_first_module_sees_a_part_has_none() -> None:
    with pytest.raises(ConfigError, match="does not see the whole image"):
        entrance(Task("halves", Halves(), (1, 6, 6), 4))
