"""The surrogate: one step at its start, the mean of several steps on the way."""

from dataclasses import replace

import pytest
import torch

from fedleak.attacks.parts.engine.distances import cosine, squared
from fedleak.attacks.parts.engine.gradient_match import GradientMatch, one_step, pixels
from fedleak.attacks.parts.engine.objective import by_autograd
from fedleak.attacks.parts.local_training.surrogate import SHARE, at_surrogate, mean_gradient, weight_change
from fedleak.contracts.attack import attacks
from fedleak.learning.training import LocalTraining
from fedleak.learning.update import Update, UpdateKind
from fedleak.randomness import generator

SEVERAL = LocalTraining(batch_size=2, batches=2, epochs=3, learning_rate=0.3, momentum=0.5, weight_decay=0.01)


def loss_at(observation, batch, share, distance=cosine, simulate=None):
    simulate = simulate or at_surrogate(observation.update.tensors, observation.training.weight_decay)
    match = GradientMatch.of(observation, distance, pixels(batch.labels), simulate=simulate, dtype=torch.float64)
    place = torch.tensor(share, dtype=torch.float64)
    return match.loss({"inputs": batch.inputs.double(), SHARE: place}, by_autograd).item()


def test_at_share_zero_it_is_one_step(smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 4)
    seen = observe(smooth_task, batch, SEVERAL)
    assert loss_at(seen, batch, 0.0) == pytest.approx(loss_at(seen, batch, 0.7, simulate=one_step), rel=1e-9)
    assert loss_at(seen, batch, 0.7) != pytest.approx(loss_at(seen, batch, 0.0), rel=1e-3)


@pytest.mark.parametrize("decay", [0.0, 0.05])
def test_the_truth_is_a_match_half_way_with_its_length(decay, linear_task, observe, batch_of):
    """Eight steps along a nearly straight way: their mean place is 3.5 steps from the start."""
    batch = batch_of(linear_task, 4)
    training = LocalTraining(batch_size=4, epochs=8, learning_rate=0.005, weight_decay=decay)
    seen = observe(linear_task, batch, training)
    assert loss_at(seen, batch, 3.5 / 8, squared) < 1e-5
    assert loss_at(seen, batch, 0.0, squared) > 1e-3


def test_the_way_is_read_off_a_gradient_too(smooth_task, observe, batch_of):
    seen = observe(smooth_task, batch_of(smooth_task, 4), replace(SEVERAL, momentum=0.0))
    mean = replace(seen, update=Update(seen.gradient(), UpdateKind.GRADIENT))
    for name, value in weight_change(mean).items():
        assert torch.allclose(value, seen.update.tensors[name], atol=1e-6)
    assert weight_change(replace(mean, training=mean.training.hiding(("learning_rate",)))) is None
    assert weight_change(replace(seen, masked=True)) is None


def test_one_local_step_is_matched_as_it_is(smooth_task, observe, batch_of):
    seen = observe(smooth_task, batch_of(smooth_task, 2))
    assert mean_gradient(seen) is one_step
    guess = attacks.build("surrogate-model", {"steps": 2}).run(seen, generator(0))
    assert "needs no surrogate" in guess.note


@pytest.mark.slow
def test_it_needs_neither_rate_nor_steps_and_gets_more_than_one_step_does(linear_task, observe, batch_of):
    batch = replace(batch_of(linear_task, 2), labels=torch.tensor([0, 2]))
    training = LocalTraining(batch_size=1, batches=2, epochs=5, learning_rate=0.05)
    seen = observe(linear_task, batch, training)
    blind = replace(seen, training=training.hiding(("learning_rate", "epochs", "batches", "batch_size")))
    options = {"steps": 200, "total_variation": 0.0}

    def error(name):
        """Of three attempts, each in the better of the two orders."""
        guesses = [attacks.build(name, options).run(blind, generator(seed)).inputs for seed in range(3)]
        return sum(
            min((inputs[order] - batch.inputs).square().mean().item() for order in ([0, 1], [1, 0]))
            for inputs in guesses
        )

    assert error("surrogate-model") < 0.8 * error("inverting-gradients")
