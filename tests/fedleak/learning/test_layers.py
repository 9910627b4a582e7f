"""Layers: a network called on given weights is as it was afterwards, tied or not; feature maps are led back."""

import pytest
import torch
from torch import nn

from fedleak.learning.layers import Grid, Upward, called
from fedleak.learning.weights import Weights
from fedleak.randomness import generator
from tests.attacks.split.tiny import examples


def repeated() -> nn.Module:
    square = nn.Linear(4, 4)
    return nn.Sequential(square, nn.Tanh(), square)


def tied() -> nn.Module:
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    second.weight = first.weight
    return nn.Sequential(first, nn.Tanh(), second)


def normalized_twice() -> nn.Module:
    norm = nn.BatchNorm1d(4)
    return nn.Sequential(norm, nn.Linear(4, 4), norm)


@pytest.mark.parametrize("made", [repeated, tied, normalized_twice])
def test_tied_weights_are_given_once_and_leave_no_trace(made):
    network, inputs = made(), torch.rand(3, 4)
    names = (list(Weights.of(network).parameters), list(Weights.of(network).buffers))
    other = made()
    given = Weights.of(other).clone()
    with torch.no_grad():
        assert torch.equal(called(network, given.state_dict(), inputs), other(inputs))
    assert (list(Weights.of(network).parameters), list(Weights.of(network).buffers)) == names
    assert all(isinstance(one, nn.Parameter) for _, one in network.named_parameters())


def test_a_grid_pads_what_was_not_padded_and_takes_pixels_in_blocks() -> None:
    grid = Grid((1, 24, 24), (1, 28, 28))
    assert (grid.block, grid.margins) == (1, (2, 2, 2, 2))
    coarse = Grid((1, 14, 14), (1, 28, 27))
    assert (coarse.block, coarse.margins) == (2, (0, 0, 0, 0))
    image = examples(1, 2, (1, 28, 27))
    assert torch.equal(coarse.blocks(image)[0, :, 3, 5], image[0, 0, 6:8, 10:12].flatten())


@pytest.mark.parametrize("maps", [(3, 8, 6), (3, 4, 3), (3, 2, 2), (3, 9, 7)])
def test_the_straight_path_is_linear_in_what_it_is_said_to_see(maps: tuple[int, ...]) -> None:
    network, seen = Upward(maps, (2, 8, 6), 4), torch.rand(3, *maps, generator=generator(1))
    for one in network.deep[-1].parameters():
        torch.nn.init.zeros_(one)
    image = network(seen)
    features, blocks = network.features(seen, image)
    made = features @ network.straight.weight.flatten(1).T + network.straight.bias
    inside = blocks != 0  # what is beyond an image is 0
    assert image.shape == (3, 2, 8, 6)
    assert torch.allclose(made[inside], blocks[inside], atol=1e-5)
