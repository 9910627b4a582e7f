"""Fisher information of a linear-Gaussian model has a closed form."""

import math

import pytest
import torch
from torch import nn

from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.profile.fisher import Fisher, fisher_of
from fedleak.profile.jacobian import Jacobian
from fedleak.tasks import weights_of


class Quadratic(nn.Module):
    """Logits whose gradient is linear in the image: the loss of two classes is `log 2 + w·x / 2` about w = 0."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(4, dtype=torch.float64))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        moved = inputs.flatten(1) @ self.weight
        return torch.stack([-moved / 2, moved / 2], dim=1)


def at_zero() -> Jacobian:
    """The gradient by w of the cross-entropy at w = 0 is `x / 2` for label 0: J is the identity over 2."""
    task = Task("linear", Quadratic(), (1, 2, 2), 2)
    batch = Batch(torch.rand(1, 1, 2, 2, dtype=torch.float64).float(), torch.tensor([0]))
    return Jacobian.at(task, weights_of(task.network), batch, "train")


@pytest.mark.slow
def test_of_a_linear_gaussian_model_it_is_the_closed_form():
    """`g = x / 2 + N(0, σ²)`: I = 1 / (4 σ²) in every pixel, so `d / Tr I = 4 σ²` and x = 2 g attains it."""
    found = fisher_of(at_zero(), 4000, torch.Generator().manual_seed(0))
    assert found.sensitivity.flatten().tolist() == pytest.approx([0.25] * 4, rel=0.15)
    sigma = 0.01
    assert found.bound(sigma) == pytest.approx(-10 * math.log10(4 * sigma**2), abs=0.3)
    attained = 2 * (torch.full((2000, 4), 0.3) / 2 + sigma * torch.randn(2000, 4)) - 0.3
    assert -10 * math.log10(float(attained.square().mean())) == pytest.approx(found.bound(sigma), abs=0.5)


@pytest.mark.slow
def test_the_estimate_tends_to_the_diagonal(make_task, make_batch, double):
    task, batch = make_task("conv"), make_batch(2)
    jacobian = Jacobian.at(task, double(weights_of(task.network)), batch, "train")
    matrix = torch.stack([jacobian.times(pixel) for pixel in torch.eye(32, dtype=torch.float64)], dim=1)
    found = fisher_of(jacobian, 3000, torch.Generator().manual_seed(0))
    ratio = found.sensitivity.flatten() / matrix.square().sum(0)
    assert float((ratio - 1).abs().max()) < 0.15
    assert float(found.sensitivity.mean()) == pytest.approx(float(matrix.square().sum()) / 32, rel=5 * found.spread)


def test_more_noise_is_a_lower_bound_and_the_named_noise_keeps_its_word():
    fisher = Fisher(sensitivity=torch.rand(2, 1, 3, 3), spread=0.0)
    assert fisher.bound(0.1) == pytest.approx(fisher.bound(0.01) - 20)
    assert fisher.bound(fisher.noise_for(20.0)) == pytest.approx(20.0)
    assert fisher.bound(0.0) == math.inf


def test_each_example_has_a_bound_of_its_own():
    sensitivity = torch.stack([torch.ones(1, 2, 2), 100 * torch.ones(1, 2, 2)])
    bounds = Fisher(sensitivity=sensitivity, spread=0.0).bounds(0.1)
    assert bounds == pytest.approx((20.0, 40.0))


def test_a_gradient_that_ignores_the_pixels_bounds_everything():
    fisher = Fisher(sensitivity=torch.zeros(1, 1, 2, 2), spread=0.0)
    assert fisher.bound(0.1) == -math.inf
    assert fisher.noise_for(20.0) == 0.0
