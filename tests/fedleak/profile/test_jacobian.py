"""The products are those with the Jacobian that autograd writes out, in every kind of network."""

import pytest
import torch

from fedleak import progress
from fedleak.learning.batch import Batch
from fedleak.profile.jacobian import Jacobian, product_cost
from fedleak.tasks import weights_of


def written_out(task, weights, batch: Batch) -> torch.Tensor:
    def gradient(inputs: torch.Tensor) -> torch.Tensor:
        named = task.gradients(weights.clone(), inputs, batch.labels, create_graph=True)
        return torch.cat([value.reshape(-1) for value in named.values()])

    return torch.autograd.functional.jacobian(gradient, batch.inputs.double()).flatten(1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mlp", "conv", "batch-norm"])
def test_both_products_are_those_of_the_dense_matrix(make_task, make_batch, double, kind):
    task, batch = make_task(kind), make_batch(3)
    weights = double(weights_of(task.network))
    jacobian, dense = Jacobian.at(task, weights, batch, "train"), written_out(task, weights, batch)
    assert (jacobian.entries, jacobian.directions) == dense.shape
    direction = torch.randn(jacobian.directions, dtype=torch.float64)
    weighting = torch.randn(jacobian.entries, dtype=torch.float64)
    torch.testing.assert_close(jacobian.times(direction), dense @ direction)
    torch.testing.assert_close(jacobian.transposed_times(weighting), dense.T @ weighting)


def test_factors_scale_the_rows(make_task, make_batch, double):
    task, batch = make_task("mlp"), make_batch(2)
    weights = double(weights_of(task.network))
    plain = Jacobian.at(task, weights, batch, "train")
    factors = torch.rand(plain.entries, dtype=torch.float64)
    scaled, direction = Jacobian.at(task, weights, batch, "train", factors), torch.ones(32, dtype=torch.float64)
    torch.testing.assert_close(scaled.times(direction), factors * plain.times(direction))
    torch.testing.assert_close(scaled.transposed_times(factors), plain.transposed_times(factors**2))


def test_the_weights_and_buffers_are_left_alone(make_task, make_batch):
    task = make_task("batch-norm")
    weights = weights_of(task.network)
    kept = weights.clone()
    Jacobian.at(task, weights, make_batch(3), "train").times(torch.ones(48))
    for name, value in kept.state_dict().items():
        assert torch.equal(value, weights.state_dict()[name])


def test_every_product_is_reported(make_task, make_batch):
    task, told = make_task("mlp"), []
    jacobian = Jacobian.at(task, weights_of(task.network), make_batch(1), "train")
    jacobian.planned = 2
    with progress.listening(lambda done, total: told.append((done, total))):
        jacobian.times(torch.ones(16))
        jacobian.transposed_times(torch.ones(jacobian.entries))
    assert told == [(1, 2), (2, 2)]


def test_a_product_costs_in_proportion_to_the_batch(make_task, make_batch):
    task = make_task("conv")
    costs = [product_cost(task, weights_of(task.network), make_batch(n), "train") for n in (1, 4)]
    assert costs[1] == pytest.approx(4 * costs[0])
    assert costs[0] == pytest.approx(5.5 * 2 * (6 * 16 * 9 + 96 * 5))
