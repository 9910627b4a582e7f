"""The rank of a gradient above its noise, and the noise that rounding brings."""

import pytest
import torch
from torch import nn

from fedleak.contracts.observation import Observation
from fedleak.gradients.rank import low_rank, outside, rounding_of
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining, train_locally
from fedleak.learning.update import Update, UpdateKind
from fedleak.randomness import generator, seeded
from fedleak.tasks import weights_of


def product(rank, noise=0.0):
    rng = generator("low rank", rank)
    left, right = torch.randn(60, rank, generator=rng).double(), torch.rand(rank, 40, generator=rng).double()
    return left @ right + noise * torch.randn(60, 40, generator=rng), right


@pytest.mark.parametrize("noise", [0.0, 1e-6, 1e-3])
def test_the_rank_is_that_of_the_product(noise):
    matrix, right = product(5, noise)
    factors = low_rank(matrix, 8, 1e-12)
    assert factors.rank == 5
    assert torch.allclose(factors.left @ factors.right, matrix, atol=10 * noise + 1e-12)
    assert outside(right, factors.right).max() < 10 * noise + 1e-9


def test_the_spectrum_s_tail_tells_the_noise():
    factors = low_rank(product(5, 1e-3)[0], 5, 1e-12)
    assert 0.9e-3 < factors.noise < 1.1e-3
    assert factors.tail < 1.5


def test_a_rank_above_the_examples_shows_in_the_tail():
    assert low_rank(product(9)[0], 5, 1e-12).tail > 3


def test_what_is_below_the_noise_does_not_count():
    assert low_rank(product(5)[0], 5, 1e3).rank == 0


def test_neurons_and_inputs_without_gradient_are_left_out():
    matrix, _ = product(3)
    matrix[10:20] = 0.0
    matrix[:, 5] = 0.0
    factors = low_rank(matrix, 3, 1e-12)
    assert factors.awake.sum() == 50
    assert not factors.right[:, 5].any()


@pytest.fixture
def task():
    """A perceptron on 1x6x6 images, four classes."""
    with seeded("linear task"):
        network = nn.Sequential(nn.Flatten(), nn.Linear(36, 24), nn.ReLU(), nn.Linear(24, 4))
        return Task("tiny-mlp", network, (1, 6, 6), 4)


def two_examples(task):
    rng = generator("batch", 0)
    labels = torch.randint(task.classes, (2,), generator=rng)
    return Batch(torch.rand(2, *task.shape, generator=rng), labels)


def after_a_step(task, batch, learning_rate):
    """What the server sees of one step: the difference of weights that are rounded to float32."""
    before, training = weights_of(task.network), LocalTraining(batch_size=2, learning_rate=learning_rate)
    after = train_locally(task, before, batch, training, ("test",))
    delta = {name: after.parameters[name] - value for name, value in before.parameters.items()}
    update = Update(delta, UpdateKind.DELTA)
    return Observation(task=task, before=before, update=update, num_examples=2, training=training)


@pytest.mark.parametrize("learning_rate", [1.0, 0.1, 0.01])
def test_rounding_is_as_large_as_it_is_said_to_be(task, learning_rate):
    batch = two_examples(task)
    observation = after_a_step(task, batch, learning_rate)
    weights = observation.before.clone()
    exact = task.gradients(
        type(weights)({name: value.double() for name, value in weights.parameters.items()}, {}),
        batch.inputs.double(),
        batch.labels,
    )
    error = observation.gradient()["1.weight"].double() - exact["1.weight"]
    active = exact["1.weight"].any(1)
    ratio = float(error[active].square().mean().sqrt()) / rounding_of(observation, "1.weight")
    assert 0.5 < ratio < 2.0
