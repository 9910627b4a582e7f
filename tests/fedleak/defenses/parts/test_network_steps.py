"""A network in a row is a few affine maps with activations between, whatever layers it is written in."""

import pytest
import torch
from torch import nn

from fedleak.defenses.parts.dense import ACTIVATIONS
from fedleak.defenses.parts.network_steps import (
    Affine,
    Polynomial,
    affine_maps,
    require_size,
    segments,
    widths,
    with_activations,
)
from fedleak.defenses.parts.private_inference import completed
from fedleak.errors import ConfigError
from fedleak.learning.layers import normalize_inputs
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights
from fedleak.randomness import generator, seeded

SHAPE = (2, 6, 6)
ROWS = torch.rand(5, *SHAPE, generator=generator("rows"))
SQUARES = (Polynomial,)


def of(*layers, normalized=False):
    """A task whose network has moved statistics where it has any."""
    network = nn.Sequential(*layers)
    if normalized:
        normalize_inputs(network, (0.2, 0.6), (0.5, 0.1))
    network.train()(ROWS.to(next(network.parameters()).dtype))
    return Task("own", network, SHAPE, 3)


def made(name):
    with seeded("layers", name):
        if name == "perceptron":
            return of(nn.Flatten(), nn.Linear(72, 7), nn.Sigmoid(), nn.Dropout(0.5), nn.Linear(7, 3), normalized=True)
        if name == "pooling":
            first, second = nn.Conv2d(2, 4, 3, stride=2, padding=1), nn.Conv2d(4, 3, 2)
            block = nn.Sequential(first, nn.BatchNorm2d(4), nn.ReLU())
            return of(nn.ZeroPad2d(1), block, second, nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(3, 3))
        return of(nn.Flatten(), nn.Linear(72, 72), nn.ReLU(), nn.Tanh(), nn.Linear(72, 3), nn.GELU())


@pytest.mark.parametrize("name", ["perceptron", "pooling", "activations in a row and at the end"])
@pytest.mark.parametrize(("linear", "curvature"), [(0.5, 0.1), (0.0, 0.3)])
def test_maps_with_squares_between_them_are_the_network(name, linear, curvature):
    plain = made(name)
    network = with_activations(plain.network, ACTIVATIONS, Polynomial(linear, curvature))
    task = Task("own", network, SHAPE, 3)
    weights = Weights.of(plain.network).clone()
    parts = segments(task, SQUARES, "it")
    maps = completed(affine_maps(task, weights, parts), linear, curvature)
    values = ROWS.flatten(1).double().numpy()
    for place, one in enumerate(maps):
        values = (values if place == 0 else values**2) @ one.weight.T + one.bias
    expected = task.logits(weights, ROWS, mode="eval")
    torch.testing.assert_close(torch.from_numpy(values).float(), expected, rtol=1e-4, atol=1e-4)
    assert widths(task, parts) == [72, *(len(one.bias) for one in maps)]
    assert not any(isinstance(layer, Polynomial) for layer in plain.network.modules()), "the given one is left alone"


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ((nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 3)), "no evaluation of MaxPool2d.*take average pooling"),
        ((nn.Flatten(), nn.Linear(72, 3), nn.LayerNorm(3)), "no evaluation of LayerNorm"),
        ((nn.Flatten(), nn.Linear(72, 3), nn.Softmax(1)), "no evaluation of Softmax"),
        ((nn.Flatten(), nn.TransformerEncoderLayer(72, 1)), r"in a row.*TransformerEncoderLayer of several"),
        ((nn.Flatten(), nn.utils.parametrizations.weight_norm(nn.Linear(72, 3))), "in a row|no evaluation"),
    ],
)
def test_what_is_no_sum_or_product_is_refused_in_a_sentence(layers, words):
    with pytest.raises(ConfigError, match=words):
        segments(Task("own", nn.Sequential(*layers), SHAPE, 3), (*SQUARES, *ACTIVATIONS), "it")


def test_what_is_put_in_front_of_a_layer_is_refused():
    task = made("perceptron")
    task.network[1].register_forward_pre_hook(lambda module, arguments: arguments)
    with pytest.raises(ConfigError, match="hooks"):
        segments(task, ACTIVATIONS, "it")


def test_what_is_too_large_is_refused_with_its_size():
    task = made("perceptron")
    with pytest.raises(ConfigError, match="at most 100 values in a layer, and 'own' has 128"):
        require_size(task, [72, 128, 3], 100, "it")
    with pytest.raises(ConfigError, match=r"matrix of at most 33,554,432 entries, and one of 'own' has 36,000,000"):
        require_size(task, [6000, 6000], 8000, "it")


def test_a_map_of_what_was_scaled_and_shifted():
    one = Affine(torch.rand(2, 3).double().numpy(), torch.rand(2).double().numpy())
    values = torch.rand(3).double().numpy()
    expected = one.weight @ (2 * values - 0.5) + one.bias
    found = one.after(2.0, -0.5)
    assert found.weight @ values + found.bias == pytest.approx(expected)
