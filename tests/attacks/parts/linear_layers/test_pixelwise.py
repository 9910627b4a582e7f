"""Layers that see pixels as they are."""

import pytest
import torch
from torch import nn

from fedleak.attacks.parts.linear_layers.first_layer import Front, find_inner_layer
from fedleak.attacks.parts.linear_layers.pixelwise import copied_pixels
from fedleak.contracts.observation import Observation
from fedleak.errors import NotApplicable
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.randomness import generator


class Shuffled(nn.Module):
    """Pixels in another order, zeros between them."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        pixels = images.flatten(1).flip(1)
        return torch.stack([pixels, 0 * pixels], 2).flatten(1)


@pytest.fixture
def front(observe):
    def made(first: nn.Module, features: int) -> Front:
        task = Task("tiny", nn.Sequential(first, nn.Linear(features, 8), nn.ReLU(), nn.Linear(8, 4)), (1, 3, 3), 4)
        observation: Observation = observe(task, Batch(torch.full((1, 1, 3, 3), 0.5), torch.tensor([1])))
        return Front(observation, find_inner_layer(task))

    return made


def test_each_pixel_is_found_where_it_is(front) -> None:
    assert copied_pixels(front(nn.Flatten(), 9), generator(0)).tolist() == list(range(9))
    assert copied_pixels(front(Shuffled(), 18), generator(0)).tolist() == [16, 14, 12, 10, 8, 6, 4, 2, 0]


@pytest.mark.parametrize(
    "first", [nn.Sequential(nn.Flatten(), nn.Sigmoid()), nn.Sequential(nn.Flatten(), nn.Softmax(1))]
)
def test_what_is_no_copy_is_said(front, first: nn.Module) -> None:
    with pytest.raises(NotApplicable, match="does not see the values of an example as they are"):
        copied_pixels(front(first, 9), generator(0))
