"""What the tests of one layer's span prove, and what they refuse."""

from dataclasses import replace

import pytest
from torch import nn

from fedleak.attacks.parts.linear_layers.first_layer import find_first_layer
from fedleak.attacks.parts.linear_layers.inputs import read_layer
from fedleak.attacks.parts.linear_layers.row_space import certify_span
from fedleak.contracts.chain import Chain
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining
from fedleak.randomness import seeded


@pytest.fixture
def task():
    with seeded("span"):
        layers = (nn.Flatten(), nn.Linear(36, 150), nn.ReLU(), nn.Linear(150, 4))
        return Task("span", nn.Sequential(*layers), (1, 6, 6), 4)


def certified(observation, inputs):
    layer = read_layer(observation, find_first_layer(observation.task))
    return certify_span(observation, layer, inputs.flatten(1).double())


@pytest.mark.parametrize("examples", [1, 2, 6])
@pytest.mark.parametrize("learning_rate", [1.0, 0.1, 0.01])
def test_the_true_batch_passes(task, observe, batch_of, examples, learning_rate):
    batch = batch_of(task, examples)
    observation = observe(task, batch, LocalTraining(batch_size=examples, learning_rate=learning_rate))
    assert f"rank {examples}" in certified(observation, batch.inputs)


def test_it_passes_with_facts_that_the_gradient_residual_cannot_do_without(task, observe, batch_of):
    batch = batch_of(task, 3)
    observation = observe(task, batch)
    assert certified(replace(observation, training=observation.training.hiding(("learning_rate",))), batch.inputs)


def test_mixtures_of_the_batch_lie_in_its_span_and_do_not_pass(task, observe, batch_of):
    batch = batch_of(task, 3)
    inputs = batch.inputs.clone()
    inputs[0] = 0.7 * inputs[0] + 0.3 * inputs[1]
    assert certified(observe(task, batch), inputs) is None


def test_an_image_from_elsewhere_does_not_pass(task, observe, batch_of):
    batch = batch_of(task, 3)
    inputs = batch.inputs.clone()
    inputs[0, 0, 2, 2] += 1e-3
    assert certified(observe(task, batch), inputs) is None


def test_a_part_of_the_batch_does_not_pass(task, observe, batch_of):
    batch = batch_of(task, 3)
    assert certified(observe(task, batch), batch.inputs[:2]) is None


def test_nothing_passes_under_a_defense(task, observe, batch_of):
    batch = batch_of(task, 3)
    chain = Chain.build(({"use": "clipping", "max_norm": 1e9},))
    assert certified(replace(observe(task, batch), defense=chain), batch.inputs) is None
