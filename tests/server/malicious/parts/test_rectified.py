"""Dead units: what is killed stays so on every input, and what is killed says nothing."""

import pytest
import torch
from torch import nn

from fedleak.learning.task import Task
from fedleak.learning.weights import Weights
from fedleak.randomness import generator, seeded
from fedleak.server.malicious.parts.rectified import rectified_layers, silent_entries, silent_parameters
from fedleak.tasks import weights_of


class Around(nn.Module):
    """A layer with a way around it."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.relu = nn.Linear(8, 8), nn.ReLU()

    def forward(self, entering: torch.Tensor) -> torch.Tensor:
        return self.relu(self.inner(entering)) + entering


class Unseen(nn.Module):
    """A ReLU that is no module."""

    def forward(self, entering: torch.Tensor) -> torch.Tensor:
        return torch.relu(entering)


def task_of(*layers: nn.Module) -> Task:
    return Task("tiny", nn.Sequential(nn.Flatten(), *layers), (1, 2, 4), 3)


def a_network() -> Task:
    with seeded("rectified"):
        shared = nn.ReLU()
        layers = (nn.Linear(8, 8), shared, Around(), nn.Linear(8, 6, bias=False), nn.BatchNorm1d(6), shared)
        return task_of(*layers, nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))


def test_layers_in_front_of_a_relu_are_found_in_the_order_in_which_they_run():
    found = rectified_layers(a_network())
    assert [one.weight for one in found] == ["1.weight", "3.inner.weight", "5.weight"]
    assert [one.has_rows for one in found] == [True, True, False]


def test_a_layer_that_runs_twice_or_is_frozen_is_none():
    twice, frozen = nn.Linear(8, 8), nn.Linear(8, 8).requires_grad_(requires_grad=False)
    assert not rectified_layers(task_of(twice, nn.ReLU(), twice, nn.ReLU(), frozen, nn.ReLU(), nn.Linear(8, 3)))


@pytest.mark.parametrize("bias", [True, False])
def test_dead_units_are_dead_on_every_input_and_so_is_what_is_in_front_of_them(bias):
    task = task_of(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 6, bias=bias), nn.ReLU(), nn.Linear(6, 3))
    layer, weights = rectified_layers(task)[-1], weights_of(task.network)
    dead = layer.killed(weights)
    wild = 1e3 * torch.randn(64, 1, 2, 4, generator=generator("wild"))
    gradient = task.gradients(dead, wild, torch.arange(64) % 3)
    assert {name for name, value in gradient.items() if value.any()} == {"5.bias"}
    assert silent_parameters(task, dead) == gradient.keys() - {"5.bias"}
    assert layer.dead(dead).all()
    assert not layer.dead(weights).any()


def test_some_units_may_be_dead_and_nothing_else_is_changed():
    task = task_of(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3))
    layer, weights = rectified_layers(task)[0], weights_of(task.network)
    kept = weights.clone()
    dead = layer.killed(weights, torch.tensor([4, 1]))
    assert layer.dead(dead).nonzero().flatten().tolist() == [1, 4]
    alive = torch.tensor([0, 2, 3, 5])
    assert torch.equal(dead.parameters["1.weight"][alive], kept.parameters["1.weight"][alive])
    assert all(torch.equal(value, kept.parameters[name]) for name, value in weights.parameters.items())
    assert dead.parameters["3.weight"] is weights.parameters["3.weight"]


def test_with_a_way_around_not_all_is_silent():
    task = task_of(nn.Linear(8, 8), nn.ReLU(), Around(), nn.Linear(8, 3))
    dead = rectified_layers(task)[-1].killed(weights_of(task.network))
    assert "1.weight" not in silent_parameters(task, dead)


def low_unit(relu: nn.Module) -> tuple[Task, Weights]:
    """All units of a layer dead but the first, which fires for inputs near the top of the range and no usual ones."""
    task = task_of(nn.Linear(8, 6), relu, nn.Linear(6, 3))
    dead = {**weights_of(task.network).parameters, "1.weight": torch.zeros(6, 8), "1.bias": torch.full((6,), -1.0)}
    dead["1.weight"][0] = 0.14
    return task, Weights(dead, {})


@pytest.mark.parametrize("relu", [nn.ReLU(), nn.ReLU(inplace=True), Unseen()])
def test_a_unit_that_no_usual_input_opens_is_not_dead(relu):
    task, low = low_unit(relu)
    top = task.gradients(low, torch.ones(1, 1, 2, 4), torch.tensor([0]))
    usual = task.gradients(low, torch.rand(8, 1, 2, 4, generator=generator("usual")), torch.arange(8) % 3)
    assert top["1.weight"].any()
    assert not usual["1.weight"].any()
    assert not silent_parameters(task, low)
    assert not any((value * top[name]).any() for name, value in silent_entries(task, low).items())


def test_of_dead_units_beside_it_the_rows_are_silent():
    silent = silent_entries(*low_unit(nn.ReLU()))
    for name in ("1.weight", "1.bias"):
        assert not silent[name][0].any()
        assert silent[name][1:].all()
    assert not any(silent[name].any() for name in ("3.weight", "3.bias"))


def test_what_no_example_reaches_stays_as_closed_as_it_is():
    task = task_of(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    zero = Weights({name: torch.zeros_like(value) for name, value in weights_of(task.network).parameters.items()}, {})
    assert silent_parameters(task, zero) == zero.parameters.keys() - {"5.bias"}
    assert silent_entries(task, zero)["5.weight"].all()
