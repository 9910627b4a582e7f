"""A small feature of the wrong sign is put on its side by the equations behind it."""

import torch
import torch.nn.functional as F
from torch import nn

from fedleak.attacks.parts.layerwise.equations import Layer, solve
from fedleak.attacks.parts.layerwise.linear_chain import unbent
from fedleak.attacks.parts.layerwise.walk import settle
from fedleak.randomness import generator

SLOPE = 0.2


def layer_of(wrong, seed=0):
    """A convolution whose `wrong` smallest features have lost their sign to an error as large as they are."""
    rng = generator("kinks", seed)
    module = nn.Conv2d(2, 6, 3, padding=1, bias=False)
    weight = torch.randn(6, 2, 3, 3, generator=rng).double().requires_grad_()
    inputs = torch.rand(1, 2, 7, 7, generator=rng).double()
    before = F.conv2d(inputs, weight, padding=1)
    features = F.leaky_relu(before, SLOPE)
    derivative = torch.randn(features.shape, generator=rng).double()
    (gradient,) = torch.autograd.grad(features, weight, derivative)
    found = features.detach()[0].clone()
    smallest = found.abs().flatten().argsort()[:wrong]
    found.view(-1)[smallest] *= -1e-6
    return inputs, features.detach()[0] > 0, Layer(
        module=module, shape=(2, 7, 7), weight=weight.detach(), bias=None, gradient=gradient,
        features=found, derivative=derivative[0], error=0.01,
    )  # fmt: skip


def test_a_lost_sign_is_found_again():
    for seed in range(5):
        inputs, positive, layer = layer_of(1, seed)
        solved = settle(layer, SLOPE)
        assert torch.equal(solved.turned.slope > 0.5, positive)
        assert torch.allclose(torch.from_numpy(solved.inputs), inputs.flatten(), atol=0.05)


def test_of_several_lost_signs_more_are_found_than_lost():
    for seed in range(5):
        _, positive, layer = layer_of(4, seed)
        solved = settle(layer, SLOPE)
        assert int(((solved.turned.slope > 0.5) != positive).sum()) < 4
        assert solved.left < solve(layer, unbent(layer.features, layer.features > 0, SLOPE)).left


def test_right_signs_are_left_alone():
    inputs, positive, layer = layer_of(0)
    solved = settle(layer, SLOPE)
    assert torch.equal(solved.turned.slope > 0.5, positive)
    assert torch.allclose(torch.from_numpy(solved.inputs), inputs.flatten(), atol=1e-8)
