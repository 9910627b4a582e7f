"""The Gaussian kernel, and that SAPAG finds an image with it."""

import math

import pytest
import torch

from fedleak.attacks.parts.engine.distances import gaussian, squared, up_to_length
from fedleak.contracts.attack import attacks
from fedleak.randomness import generator


@pytest.mark.slow
def test_one_image_is_found_on_a_smooth_network(smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 1)
    guess = attacks.build("sapag", {}).run(observe(smooth_task, batch), generator(0))
    assert -10 * math.log10((guess.inputs - batch.inputs).square().mean().item()) > 25
    assert guess.labels.tolist() == batch.labels.tolist()


def test_the_kernel_is_zero_at_the_observed_gradient_and_one_far_away():
    observed = [torch.tensor([3.0, 4.0]), torch.tensor([[1.0]])]
    distance = gaussian(1.0)(observed)
    assert distance(observed).item() == 0.0
    assert distance([10 * one for one in observed]).item() == pytest.approx(1.0)
    assert distance([observed[0] + torch.tensor([0.0, 5.0]), observed[1]]).item() == pytest.approx((1 - math.e**-1) / 2)


def test_each_tensor_counts_by_its_own_length():
    observed = [torch.tensor([1000.0]), torch.tensor([1e-3])]
    distance = gaussian(1.0)(observed)
    one, other = ([1.5 * observed[0], observed[1]], [observed[0], 1.5 * observed[1]])
    assert distance(one).item() == pytest.approx(distance(other).item(), rel=1e-5)


def test_a_tensor_that_is_zero_is_no_division_by_zero():
    distance = gaussian(1.0)([torch.zeros(2), torch.ones(2)])
    assert torch.isfinite(distance([torch.ones(2), torch.ones(2)]))


def test_up_to_length_ignores_length_alone():
    observed = [torch.tensor([3.0, 4.0])]
    distance = up_to_length(squared)(observed)
    assert distance([torch.tensor([6.0, 8.0])]).item() == pytest.approx(0.0, abs=1e-6)
    assert distance([torch.tensor([4.0, 3.0])]).item() == pytest.approx(0.08)
