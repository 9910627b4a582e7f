"""Attribute neurons: correlations as numpy finds them, and nothing that a model has not learnt."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from fedleak.attacks.attributes.attribute_neurons import activations, correlations, response
from fedleak.contracts.attack import attacks
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.released import Released
from fedleak.errors import ConfigError
from fedleak.goals.goals import GOALS
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights
from fedleak.metrics.column_auc import ColumnAUC
from fedleak.randomness import generator, seeded
from fedleak.tasks import initial_weights


def guess(view: Released, **options: object) -> torch.Tensor:
    made: Reconstruction = attacks.build("attribute-neurons", options).run(view, generator(0))
    assert made.columns is not None, made.failure
    return made.columns


def auc(made: torch.Tensor, rows, places: slice = slice(None)) -> float:
    true = rows.inputs[:, rows.space.mask(["sex"])]
    return float(ColumnAUC().per_row(made[places], true[places]).mean())


@pytest.mark.slow
def test_with_the_channel_cut_it_says_what_an_imputer_says(hiding) -> None:
    view = hiding[0](view=Released)
    silent = Weights({name: torch.zeros_like(value) for name, value in view.weights.parameters.items()}, {})
    made = guess(replace(view, weights=silent))
    assert torch.allclose(made, GOALS["columns"].no_access(view, generator(0)), atol=1e-5)
    assert torch.allclose(guess(replace(view, weights=silent), imputer=False), torch.zeros_like(made), atol=1e-5)


def test_a_network_that_learnt_nothing_adds_next_to_nothing_to_an_imputer(hiding) -> None:
    asked, rows = hiding
    view = asked(view=Released)
    imputer, gains = auc(GOALS["columns"].no_access(view, generator(0)), rows), []
    for seed in range(10):
        gains.append(auc(guess(replace(view, weights=initial_weights(view.task.name, seed))), rows) - imputer)
    assert abs(sum(gains) / 10) < 0.03  # its neurons are random features of the row: a second imputer


def test_a_neuron_that_is_the_hidden_value_is_found_and_read() -> None:
    rng = generator("neurons")
    known, asked = torch.randn(200, 6, generator=rng).double(), torch.randn(50, 6, generator=rng).double()
    true, wanted = (torch.randint(2, (count,), generator=rng).double() for count in (200, 50))
    known[:, 4], asked[:, 4] = true + 0.01 * known[:, 4], wanted + 0.01 * asked[:, 4]
    found = response(known, true, asked, 1)
    assert found[wanted == 1].min() > found[wanted == 0].max()
    assert ((found >= 0) & (found <= 1)).all()


def test_correlations_are_those_of_numpy_and_none_where_nothing_varies() -> None:
    rng = generator("correlations")
    known, true = torch.rand(40, 3, generator=rng).double(), torch.randint(2, (40,), generator=rng).double()
    known[:, 1] = 0.25
    found = correlations(known, true)
    expected = [np.corrcoef(known[:, place].numpy(), true.numpy())[0, 1] for place in (0, 2)]
    assert found[[0, 2]].tolist() == pytest.approx(expected)
    assert found[1] == 0
    assert correlations(known, torch.ones(40).double()).abs().max() == 0


def test_no_neuron_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected 1 neuron or more, got 0"):
        attacks.build("attribute-neurons", {"neurons": 0})


def test_of_a_perceptron_they_are_what_its_hidden_layers_say_and_the_scores() -> None:
    with seeded("activations"):
        network = nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))
    task, inputs = Task("t", network, (6,), 3), torch.randn(300, 6, generator=generator("inputs"))
    first, second = network[:3](inputs), network[:5](inputs)
    expected = torch.cat([first, second, network(inputs)], dim=1).detach().double()
    found = activations(task, Weights.of(network), inputs)
    assert torch.allclose(found, expected, atol=1e-6)
    assert not any(module._forward_pre_hooks for module in network.modules())
