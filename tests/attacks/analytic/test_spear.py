"""SPEAR splits a ReLU layer's gradient into its examples, and says where it cannot."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from fedleak.attacks.analytic.spear import SPEAR
from fedleak.contracts.chain import Chain
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining
from fedleak.randomness import generator, seeded


def made(name, hidden, activation):
    with seeded("spear", name):
        layers = (nn.Flatten(), nn.Linear(64, hidden), activation, nn.Linear(hidden, 6))
        return Task(name, nn.Sequential(*layers), (1, 8, 8), 6)


@pytest.fixture
def wide_task():
    """A wide ReLU perceptron on 1x8x8 images, six classes."""
    return made("wide", 200, nn.ReLU())


def attacked(observation, **options):
    return SPEAR(**{"descents": 300, **options}).run(observation, generator(0))


def error(guess, batch):
    """The largest relative distance of an image to the nearest guess."""
    truth = batch.inputs.flatten(1)
    return float((torch.cdist(truth, guess.inputs.flatten(1)).min(1).values / truth.norm(dim=1)).max())


@pytest.mark.slow
@pytest.mark.parametrize("examples", [1, 2, 5])
def test_every_example_comes_back_with_its_label_and_a_proof(wide_task, observe, batch_of, examples):
    for seed in range(3):
        batch = batch_of(wide_task, examples, seed)
        guess = attacked(observe(wide_task, batch))
        assert error(guess, batch) < 1e-5
        nearest = torch.cdist(guess.inputs.flatten(1), batch.inputs.flatten(1)).argmin(1)
        assert torch.equal(guess.labels, batch.labels[nearest])
        assert guess.certificate.startswith("gradient residual ")
        assert f"rank {examples}" in guess.certificate


def test_descents_find_what_no_sample_is_drawn_for(wide_task, observe, batch_of):
    batch = batch_of(wide_task, 5)
    guess = attacked(observe(wide_task, batch), samples=1)
    assert error(guess, batch) < 1e-5


@pytest.mark.slow
def test_one_class_and_nearly_equal_images_are_told_apart(wide_task, observe, batch_of):
    inputs = batch_of(wide_task, 4).inputs
    inputs[3] = (0.9 * inputs[0] + 0.1 * inputs[3]).clamp(0, 1)
    batch = Batch(inputs, torch.full((4,), 2))
    guess = attacked(observe(wide_task, batch))
    assert error(guess, batch) < 1e-4
    assert guess.certificate


@pytest.mark.slow
def test_several_steps_and_an_unknown_learning_rate_are_no_obstacle(wide_task, observe, batch_of):
    batch = batch_of(wide_task, 4)
    steps = observe(wide_task, batch, LocalTraining(batch_size=2, batches=2, epochs=2, learning_rate=0.01))
    guess = attacked(steps)
    assert error(guess, batch) < 1e-4
    assert "gradient residual" not in (guess.certificate or "")
    unknown = observe(wide_task, batch)
    unknown = replace(unknown, training=unknown.training.hiding(("learning_rate",)))
    guess = attacked(unknown)
    assert error(guess, batch) < 1e-5
    assert guess.certificate.startswith("first layer: rank 4")


@pytest.mark.slow
def test_equal_examples_come_back_once_and_the_note_says_so(wide_task, observe, batch_of):
    batch = batch_of(wide_task, 4)
    doubled = Batch(torch.cat([batch.inputs, batch.inputs[:1]]), torch.cat([batch.labels, batch.labels[:1]]))
    guess = attacked(observe(wide_task, doubled))
    assert len(guess.inputs) == 4
    assert error(guess, batch) < 1e-5
    assert guess.note.startswith("the gradient carries 4 of 5 examples above its noise")


def test_images_under_noise_are_a_guess(wide_task, observe, batch_of):
    batch = batch_of(wide_task, 3)
    observation = observe(wide_task, batch)
    vector = observation.update.vector()
    noise = 1e-6 * torch.randn(vector.shape, generator=generator("noise"))
    chain = Chain.build(({"use": "gaussian-noise", "std": 1e-6},))
    guess = attacked(replace(observation, update=observation.update.with_vector(vector + noise), defense=chain))
    assert error(guess, batch) < 0.05
    assert not guess.certifiable
    assert guess.certificate is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "examples", "words"),
    [
        (made("smooth", 100, nn.Sigmoid()), 2, "a Sigmoid, which leaves no neuron asleep"),
        (made("unknown", 100, nn.Softsign()), 3, "sparse columns by 200000 samples"),
        (made("narrow", 6, nn.ReLU()), 8, "to tell 8 examples apart there must be more than that"),
    ],
    ids=["sigmoid", "softsign", "narrow"],
)
def test_what_is_missing_is_named(task, examples, words, observe, batch_of):
    assert words in attacked(observe(task, batch_of(task, examples))).failure


def test_more_examples_than_reported_are_noticed(wide_task, observe, batch_of):
    observation = replace(observe(wide_task, batch_of(wide_task, 5)), num_examples=3)
    assert "a rank above the 3 of the reported examples" in attacked(observation).failure
