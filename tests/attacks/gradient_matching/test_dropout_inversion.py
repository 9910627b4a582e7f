"""Naive matching fails under dropout; with the masks as variables it does not."""

import math

import pytest
import torch
from torch import nn

from fedleak.contracts.attack import attacks
from fedleak.learning.task import Task
from fedleak.randomness import generator, seeded


@pytest.fixture
def dropout_task() -> Task:
    """A perceptron with dropout on 1x6x6 images, four classes."""
    with seeded("dropout task"):
        layers = (nn.Flatten(), nn.Linear(36, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 32), nn.ReLU())
        return Task("dropout-mlp", nn.Sequential(*layers, nn.Dropout(0.3), nn.Linear(32, 4)), (1, 6, 6), 4)


def psnr(guess: torch.Tensor, truth: torch.Tensor) -> float:
    return -10 * math.log10((guess - truth).square().mean().item() + 1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_it_succeeds_where_naive_matching_fails(seed, dropout_task, observe, batch_of):
    batch = batch_of(dropout_task, 1, seed)
    observation = observe(dropout_task, batch)
    options = {"steps": 200, "total_variation": 0.0}
    naive, joint = (
        attacks.build(name, options).run(observation, generator(0))
        for name in ("inverting-gradients", "dropout-inversion")
    )
    assert psnr(naive.inputs, batch.inputs) < 18
    assert psnr(joint.inputs, batch.inputs) > 25
    assert joint.diagnosis is None


def test_a_network_without_dropout_is_refused(linear_task, observe, batch_of):
    observation = observe(linear_task, batch_of(linear_task, 1))
    assert "no dropout layer" in attacks.build("dropout-inversion", {}).run(observation, generator(0)).failure


def test_batch_norm_beside_dropout_is_no_obstacle(normalized_task, observe, batch_of):
    observation = observe(normalized_task, batch_of(normalized_task, 3))
    guess = attacks.build("dropout-inversion", {"steps": 5, "restarts": 2}).run(observation, generator(0))
    assert guess.inputs.shape == (3, 1, 6, 6)
