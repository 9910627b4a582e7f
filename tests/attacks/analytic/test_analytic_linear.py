"""Inputs read off a linear layer's gradient."""

from dataclasses import replace

import torch

from fedleak.attacks.parts.linear_layers.neurons import activated_by_one, least_squares
from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.randomness import generator


def reconstruct(observation):
    return attacks.build("analytic-linear", {}).run(observation, generator(0))


def test_one_example_is_exact_through_the_float32_delta(linear_task, observe, batch_of):
    for seed in range(5):
        batch = batch_of(linear_task, 1, seed)
        guess = reconstruct(observe(linear_task, batch))
        assert (guess.inputs - batch.inputs).abs().max() < 1e-5
        assert guess.labels.tolist() == batch.labels.tolist()
        assert guess.mismatch < 1e-9


def test_least_squares_averages_noise_away():
    rng = generator("noise")
    bias, truth = torch.randn(500, generator=rng).double(), torch.rand(30, generator=rng).double()
    noisy = bias[:, None] * truth + 0.1 * torch.randn(500, 30, generator=rng)
    one_neuron = noisy[0] / bias[0]
    assert (least_squares(noisy, bias).inputs[0] - truth).norm() < 0.2 * (one_neuron - truth).norm()


def test_examples_that_have_a_neuron_to_themselves_are_found():
    rng = generator("batch")
    images = torch.rand(3, 36, generator=rng).double()
    alone = torch.tensor(
        [[1.0, 0, 0], [0.5, 0, 0], [0, 2.0, 0], [0, -1.0, 0], [0.3, 0.4, 0.5], [-0.2, 0.9, 0.1]]
    ).double()
    found = activated_by_one(alone @ images, alone.sum(1), 3)
    distances = torch.cdist(images, found.inputs).min(1).values
    assert distances[:2].max() < 1e-9
    assert "2 of 3 examples agreed on" in found.note


def test_neurons_that_agree_average_noise_away():
    rng = generator("noisy batch")
    images = torch.rand(2, 400, generator=rng).double()
    alone = torch.zeros(80, 2).double()
    alone[:40, 0] = 1 + torch.rand(40, generator=rng).double()
    alone[40:, 1] = 1 + torch.rand(40, generator=rng).double()
    weight = alone @ images + 0.05 * torch.randn(80, 400, generator=rng)
    found = activated_by_one(weight, alone.sum(1), 2, noise=0.05)
    errors = torch.cdist(images, found.inputs).min(1).values / 20
    assert "2 of 2 examples agreed on" in found.note
    assert errors.max() < 0.01  # of a single neuron it is about 0.03
    assert "0 of 2 examples agreed on" in activated_by_one(weight, alone.sum(1), 2).note  # who knows of no noise


def test_a_noisy_update_of_one_example_is_read_by_least_squares(linear_task, observe, batch_of, with_update):
    batch = batch_of(linear_task, 1)
    observation = observe(linear_task, batch)
    vector = observation.update.vector()
    noise = 1e-5 * torch.randn(vector.shape, generator=generator("noise"))
    noisy = with_update(observation, vector + noise)
    guess = reconstruct(replace(noisy, defense=Chain.build(({"use": "gaussian-noise", "std": 1e-5},))))
    gradient = noisy.gradient()
    weight, bias = gradient["1.weight"].double(), gradient["1.bias"].double()
    assert torch.allclose(guess.inputs.flatten().double(), (bias @ weight / bias.dot(bias)).clamp(0, 1), atol=1e-6)


def test_other_networks_get_a_reason(smooth_task, observe, batch_of):
    guess = reconstruct(observe(smooth_task, batch_of(smooth_task, 1)))
    assert guess.inputs is None
    assert "first trainable layer of 'tiny-lenet' is a Conv2d" in guess.failure
