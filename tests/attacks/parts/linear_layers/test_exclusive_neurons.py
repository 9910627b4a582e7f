"""Examples that neurons fire for alone, one after the other taken out."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from fedleak.attacks.parts.linear_layers.exclusive_neurons import Exclusive, Search, Slopes
from fedleak.attacks.parts.linear_layers.first_layer import Front, find_inner_layer
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining
from fedleak.randomness import generator, seeded

SILENT = 1e-9


@pytest.fixture
def trial(observe):
    """Slopes of a network whose neurons fire for examples that are bright in one of six pixels, and a batch."""

    def made(rows: list[list[float]], images: list[list[float]], labels: list[int]):
        with seeded("exclusive"):
            network = nn.Sequential(nn.Flatten(), nn.Linear(6, len(rows)), nn.ReLU(), nn.Linear(len(rows), 3))
        task = Task("tiny", network, (1, 2, 3), 3)
        with torch.no_grad():
            network[1].weight.copy_(torch.tensor(rows))
            network[1].bias.fill_(-0.5)
        batch = Batch(torch.tensor(images).reshape(-1, 1, 2, 3), torch.tensor(labels))
        observation = observe(task, batch, LocalTraining(batch_size=len(batch)))
        front = Front(observation, find_inner_layer(task))
        slopes, inputs = Slopes(front), batch.inputs.flatten(1).double()
        moved = slopes.of(inputs)[torch.arange(len(batch)), batch.labels]
        return slopes, batch, moved.T @ inputs, moved.sum(0)

    return made


def search(slopes: Slopes, examples: int, bias: torch.Tensor) -> Search:
    return Search(slopes=slopes, examples=examples, noise=SILENT, bias_noise=SILENT, bounds=(0.0, 1.0),
                  loudest=float(bias.abs().max()))  # fmt: skip


ONE, OTHER, THIRD = [0.9, 0.1, 0.2, 0.3, 0.0, 0.1], [0.8, 0.9, 0.1, 0.4, 0.2, 0.3], [0.2, 0.8, 0.9, 0.1, 0.5, 0.6]
FIRES = [[1.0, 0, 0, 0, 0, 0], [0, 1.0, 0, 0, 0, 0], [0, 0, 1.0, 0, 0, 0]]
"""The first for ONE and OTHER, the second for OTHER and THIRD, the third for THIRD alone."""


def test_what_is_found_is_taken_out_so_that_others_are_left_alone(trial) -> None:
    slopes, batch, weight, bias = trial(FIRES, [ONE, OTHER, THIRD], [0, 1, 2])
    found = search(slopes, 3, bias).run(weight, bias)
    assert found.labels.tolist() == [2, 1, 0]  # THIRD frees OTHER, and that ONE
    assert torch.allclose(found.inputs.float(), batch.inputs.flatten(1).flip(0), atol=1e-5)
    assert found.weight.norm() < 1e-5 * weight.norm()
    assert found.neurons.tolist() == [1, 1, 1]


def test_a_mixture_explains_no_neuron(trial) -> None:
    slopes, _, weight, bias = trial(FIRES[:2], [ONE, OTHER, THIRD], [0, 1, 2])
    assert not len(search(slopes, 3, bias).run(weight, bias).inputs)


def test_two_examples_of_one_class_are_not_taken_for_their_mean(trial) -> None:
    slopes, _, weight, bias = trial([FIRES[0], [0.9, 0, 0, 0, 0, 0]], [ONE, OTHER], [1, 1])
    assert not len(search(slopes, 2, bias).run(weight, bias).inputs)


def test_neurons_that_agree_are_one_example(trial) -> None:
    slopes, batch, weight, bias = trial([*FIRES, [0, 0, 0.9, 0, 0, 0]], [ONE, OTHER, THIRD], [0, 1, 2])
    found = search(slopes, 3, bias).run(weight, bias)
    assert found.neurons.tolist() == [2, 1, 1]
    assert recovered(found, batch)


def recovered(found: Exclusive, batch: Batch) -> bool:
    return bool(torch.cdist(batch.inputs.flatten(1).double(), found.inputs).amin(1).max() < 1e-5)


def test_slopes_are_the_gradient_of_the_bias(trial) -> None:
    slopes, batch, _, bias = trial(FIRES, [ONE, OTHER, THIRD], [0, 1, 2])
    own = slopes.task.gradients(slopes.front.weights, batch.inputs.double(), batch.labels)["1.bias"]
    assert torch.allclose(own, bias / 3)


def test_a_neuron_that_an_example_nearly_wakes_is_not_settled(trial) -> None:
    slopes, *_ = trial(FIRES, [ONE, OTHER, THIRD], [0, 1, 2])
    nearly = torch.tensor([[0.9, 0.5001, 0.2, 0.0, 0.0, 0.0]]).double()
    assert slopes.settled(nearly).tolist() == [True, False, True]
    assert slopes.settled(torch.rand(0, 6, generator=generator(0)).double()).all()


def test_two_neurons_tell_by_how_much_a_client_scaled_an_example_and_that_of_its_others(trial) -> None:
    rows = [[1.0, 0, 0, 0, 0, 0], [0, 0, 0, 1.0, 0, 0], [0, 1.0, 0, 0, 0, 0]]
    alone, twice = [0.9, 0.1, 0.2, 0.9, 0.0, 0.1], [0.1, 0.9, 0.3, 0.2, 0.2, 0.3]
    slopes, batch, weight, bias = trial(rows, [alone, twice], [0, 1])
    scaled = (0.3 * weight, 0.3 * bias)
    plain = search(slopes, 2, 0.3 * bias)
    assert not len(plain.run(*scaled).inputs)
    found = replace(plain, scaled=True).run(*scaled)
    assert found.labels.tolist() == [0, 1]
    assert found.factors.tolist() == pytest.approx([0.3, 0.3], rel=1e-4)
    assert torch.allclose(found.inputs.float(), batch.inputs.flatten(1), atol=1e-5)
    longer = replace(plain, scaled=True, loudest=float(3 * bias.abs().max())).run(3 * weight, 3 * bias)
    assert not len(longer.inputs)  # nobody makes an update longer by clipping it
