"""Imprint: a fresh module changes nothing, and what is planted is found again by the weights."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from fedleak.gradients.imprint import (
    ImprintLayer,
    ImprintModule,
    first_linear,
    latent_linear,
    planted_module,
    with_parameters,
)
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights
from fedleak.randomness import generator, seeded

SHAPE = (1, 3, 3)


def perceptron(*layers: nn.Module) -> Task:
    return Task("tiny", nn.Sequential(*layers), SHAPE, 4)


@pytest.fixture
def module() -> ImprintModule:
    with seeded("module"):
        return ImprintModule(9, 4, 1e-3)


def test_a_fresh_module_changes_nothing(module: ImprintModule) -> None:
    images = torch.rand(5, *SHAPE, generator=generator(0))
    assert torch.equal(module(images), images)


def test_one_number_is_added_to_all_pixels(module: ImprintModule) -> None:
    nn.init.constant_(module.out.weight, 10.0)
    added = module(images := torch.rand(5, *SHAPE, generator=generator(0))) - images
    assert added.flatten(1).std(1).max() < 1e-6
    assert added.abs().max() <= 4 * 10.0 * 1e-3 + 1e-6


def test_what_is_planted_is_found_and_read(module: ImprintModule) -> None:
    task = Task("tiny", nn.Sequential(module, nn.Flatten(), nn.Linear(9, 4)), SHAPE, 4)
    layer = planted_module(task.network)
    assert layer == ImprintLayer(weight="0.rows.weight", bias="0.rows.bias", behind="0.out.weight", sparse=True)
    direction = nn.functional.normalize(torch.rand(9, generator=generator(1), dtype=torch.float64), dim=0)
    slopes, thresholds = torch.tensor([1.0, 2.0, 0.5, 0.0]), torch.tensor([0.1, 0.3, 0.2, 0.4])
    weights = with_parameters(
        Weights.of(task.network),
        {layer.weight: slopes[:, None] * direction, layer.bias: -slopes * thresholds, layer.behind: torch.ones(1, 4)},
    )
    assert torch.allclose(layer.direction(weights), direction, atol=1e-6)
    assert torch.allclose(layer.thresholds(weights)[:3], thresholds[:3].double(), atol=1e-6)
    assert layer.thresholds(weights)[3].isinf()
    assert layer.planted(weights).tolist() == [True, True, True, False]
    assert torch.equal(layer.gains(weights), torch.ones(4).double())
    assert weights.parameters[layer.weight].dtype == torch.float32
    assert planted_module(nn.Sequential(nn.Flatten())) is None


@pytest.mark.parametrize(("honest", "noise"), [(0.5, 0.0), (0.9, 0.0), (0.0, 0.03), (0.3, 0.03)])
def test_planted_rows_are_told_from_honest_ones(honest: float, noise: float) -> None:
    layer = ImprintLayer(weight="rows", bias="bias", behind="behind", sparse=False)
    draws = generator("rows", honest)
    direction = nn.functional.normalize(torch.randn(100, generator=draws), dim=0)
    rows = direction + noise * torch.randn(300, 100, generator=draws)
    kept = torch.rand(300, generator=draws) < honest
    rows[kept] = torch.randn(int(kept.sum()), 100, generator=draws)
    weights = Weights({"rows": 1e-6 * rows, "bias": torch.full((300,), -2e-6)}, {})
    assert torch.equal(layer.planted(weights), ~kept)
    assert layer.direction(weights) @ direction.double() > 0.99
    assert torch.equal(layer.thresholds(weights).isfinite(), ~kept)
    nothing = Weights({"rows": torch.randn(300, 100, generator=draws), "bias": torch.ones(300)}, {})
    assert not layer.planted(nothing).any()


def test_columns_are_multiples_of_the_largest() -> None:
    task = perceptron(nn.Flatten(), nn.Linear(9, 3), nn.ReLU(), nn.Linear(3, 4))
    layer = first_linear(task)
    column = torch.tensor([1.0, -2.0, 1.5, -1.0])
    factors = torch.tensor([0.5, -2.0, 0.0])
    weights = with_parameters(Weights.of(task.network), {layer.behind: column[:, None] * factors})
    assert torch.equal(layer.column(weights), -2.0 * column.double())
    assert torch.allclose(layer.gains(weights), torch.tensor([-0.25, 1.0, 0.0]).double())


def test_a_first_linear_layer_is_found_or_said_to_be_missing() -> None:
    found = first_linear(perceptron(nn.Flatten(), nn.Linear(9, 3), nn.ReLU(), nn.Linear(3, 4)))
    assert found == ImprintLayer(weight="1.weight", bias="1.bias", behind="3.weight", sparse=False)
    linear = nn.Linear(9, 3)
    for layers, words in (
        ((nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2, 4)), "begins with Conv2d"),
        ((nn.Flatten(), nn.Linear(9, 3), nn.Sigmoid(), nn.Linear(3, 4)), "Sigmoid and Linear"),
        ((nn.Flatten(), nn.Linear(9, 3, bias=False), nn.ReLU(), nn.Linear(3, 4)), "has no bias"),
        ((nn.Flatten(), linear, nn.ReLU(), nn.Linear(4, 4)), "does not see what the first gives"),
        ((nn.Flatten(),), "begins with nothing"),
    ):
        assert words in first_linear(perceptron(*layers))
    wide = replace(perceptron(nn.Flatten(), linear, nn.ReLU(), nn.Linear(3, 4)), shape=(1, 4, 4))
    assert "does not see the whole image" in first_linear(wide)


def test_a_linear_layer_behind_others_is_found_or_said_to_be_missing() -> None:
    pair = (nn.Flatten(), nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 4))
    found = latent_linear(perceptron(nn.Conv2d(1, 2, 3), *pair))
    assert found == ImprintLayer(weight="2.weight", bias="2.bias", behind="4.weight", sparse=False)
    for layers, words in (
        (pair, "no linear layer that is not its first"),
        ((nn.Conv2d(1, 2, 3), nn.ReLU()), "no linear layer that is not its first"),
        ((nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), *pair), "a BatchNorm2d, which mixes the batch or draws"),
        ((nn.Conv2d(1, 2, 3), nn.Dropout(), *pair), "a Dropout, which mixes the batch or draws"),
        ((nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2, 4)), "come nothing, not ReLU and Linear"),
    ):
        assert words in latent_linear(perceptron(*layers))
