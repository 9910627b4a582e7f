"""Gradient distances: zero at the truth, blind to length where they are to be, and partial."""

import pytest
import torch

from fedleak.attacks.parts.engine import distances
from fedleak.attacks.parts.engine.distances import on_largest, squared
from fedleak.attacks.parts.engine.gradient_match import GradientMatch, pixels
from fedleak.attacks.parts.engine.objective import by_autograd


def test_the_largest_entries_of_each_tensor_count():
    observed = [torch.tensor([1.0, -4.0, 2.0, 0.5]), torch.tensor([0.1])]
    distance = on_largest(0.5, squared)(observed)
    ignored = [torch.tensor([9.0, -4.0, 2.0, 9.0]), torch.tensor([0.1])]
    assert distance(ignored).item() == 0.0
    assert distance([observed[0], torch.tensor([0.2])]).item() > 0
    assert distance([torch.tensor([1.0, 4.0, 2.0, 0.5]), observed[1]]).item() > 0


@pytest.mark.parametrize("distance", [distances.squared, distances.cosine, distances.squared_up_to_length])
def test_the_truth_is_at_distance_zero(distance, smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 2)
    objective = GradientMatch.of(observe(smooth_task, batch), distance, pixels(batch.labels), dtype=torch.float64)
    assert abs(objective.loss({"inputs": batch.inputs.double()}, by_autograd).item()) < 1e-9
    assert objective.loss({"inputs": 1 - batch.inputs.double()}, by_autograd).item() > 1e-6


def test_distances_up_to_length_do_not_see_length():
    observed = [torch.tensor([3.0, 4.0]), torch.tensor([[1.0]])]
    doubled = [2 * tensor for tensor in observed]
    assert distances.squared(observed)(doubled).item() == pytest.approx(1.0)
    assert distances.cosine(observed)(doubled).item() == pytest.approx(0.0, abs=1e-6)
    assert distances.squared_up_to_length(observed)(doubled).item() == pytest.approx(0.0, abs=1e-6)
