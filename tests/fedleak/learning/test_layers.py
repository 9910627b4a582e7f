"""Layers: a network called on given weights is as it was afterwards, whatever is tied in it."""

import pytest
import torch
from torch import nn

from fedleak.learning.layers import called
from fedleak.learning.weights import Weights


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
