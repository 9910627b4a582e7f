"""What BatchNorm gives away makes a reconstruction better."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from fedleak.contracts.attack import attacks
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining
from fedleak.randomness import generator, seeded

OPTIONS = {"steps": 60, "total_variation": 0.0}


@pytest.fixture
def bn_task() -> Task:
    """A ConvNet with two BatchNorm layers on 1x6x6 images."""
    with seeded("bn task"):
        layers = (nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1))
        head = (nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 4))
        return Task("tiny-two-bn", nn.Sequential(*layers, *head), (1, 6, 6), 4)


def psnr(guess: torch.Tensor, truth: torch.Tensor) -> float:
    return -10 * math.log10((guess - truth).square().mean().item() + 1e-12)


@pytest.mark.slow
def test_statistics_are_met_better_with_their_term_than_without(bn_task, observe, batch_of):
    apart = {0.0: 0.0, 1.0: 0.0}
    for seed in range(3):
        batch = batch_of(bn_task, 1, seed)
        observation = observe(bn_task, batch)
        for weight in apart:
            options = OPTIONS | {"statistics": weight}
            guess = attacks.build("batch-norm-inversion", options).run(observation, generator(0))
            with torch.no_grad():
                shown, true = (bn_task.network[0](images).mean((0, 2, 3)) for images in (guess.inputs, batch.inputs))
            apart[weight] += (shown - true).norm().item()
    assert apart[1.0] < apart[0.0]


@pytest.mark.slow
def test_no_statistics_is_inverting_gradients(bn_task, observe, batch_of):
    observation = observe(bn_task, batch_of(bn_task, 2))
    plain = attacks.build("inverting-gradients", {"steps": 20, "total_variation": 0.0})
    blind = attacks.build("batch-norm-inversion", {"steps": 20, "total_variation": 0.0, "statistics": 0.0})
    one, other = (attack.run(observation, generator(0)) for attack in (plain, blind))
    assert torch.allclose(one.inputs, other.inputs, atol=1e-3)


def test_a_network_without_batch_norm_is_refused(smooth_task, observe, batch_of):
    guess = attacks.build("batch-norm-inversion", {}).run(observe(smooth_task, batch_of(smooth_task, 1)), generator(0))
    assert "no BatchNorm layer" in guess.failure


def test_withheld_buffers_are_said_and_stood_in_for(bn_task, observe, batch_of):
    observation = replace(observe(bn_task, batch_of(bn_task, 2)), buffers_after=None)
    attack = attacks.build("batch-norm-inversion", {"steps": 3})
    assert "not sent back" in attack.run(observation, generator(0)).failure
    trained = observation.before.clone()
    for name, value in trained.buffers.items():
        if name.endswith("running_mean"):
            value += 0.1
    guess = attack.run(replace(observation, before=trained), generator(0))
    assert guess.inputs is not None
    assert "stood in" in guess.note


@pytest.mark.slow
def test_eval_mode_matches_the_running_statistics_also_with_many_starts(bn_task, observe, batch_of):
    batch = batch_of(bn_task, 2)
    task = Task(bn_task.name, bn_task.network, bn_task.shape, bn_task.classes)
    with torch.no_grad():
        task.network[1].running_mean += 0.2
    observation = observe(task, Batch(batch.inputs, batch.labels), LocalTraining(batch_size=2, mode="eval"))
    one, many = (
        attacks.build("batch-norm-inversion", {"steps": 5, "restarts": restarts}).run(observation, generator(0))
        for restarts in (1, 4)
    )
    assert "eval mode" in one.note
    assert many.mismatch <= one.mismatch + 1e-6
