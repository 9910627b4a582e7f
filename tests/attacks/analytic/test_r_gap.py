"""R-GAP finds the one example behind a chain of layers that can be undone, and says where it cannot."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from fedleak.attacks.analytic.r_gap import RGAP
from fedleak.attacks.parts.layerwise.equations import derivative_matrix, weight_matrix
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining
from fedleak.randomness import generator, seeded


@pytest.fixture
def chain_task() -> Task:
    """Two bias-free convolutions with leaky ReLUs on 1x8x8 images, four classes."""
    with seeded("chain task"):
        layers = (nn.Conv2d(1, 6, 3, padding=1, bias=False), nn.LeakyReLU(0.2))
        more = (nn.Conv2d(6, 8, 3, stride=2, padding=1, bias=False), nn.LeakyReLU(0.2))
        return Task("chain", nn.Sequential(*layers, *more, nn.Flatten(), nn.Linear(128, 4, bias=False)), (1, 8, 8), 4)


def attacked(observation):
    return RGAP().run(observation, generator(0))


@pytest.mark.slow
def test_one_example_is_found_with_its_label(chain_task, observe, batch_of):
    for seed in range(3):
        batch = batch_of(chain_task, 1, seed)
        guess = attacked(observe(chain_task, batch))
        assert (guess.inputs - batch.inputs).abs().max() < 1e-2
        assert guess.labels.tolist() == batch.labels.tolist()
        assert "the equations of all 3 layers have full rank" in guess.note


def test_biases_and_smooth_activations_are_undone_too(observe, batch_of):
    with seeded("smooth chain"):
        layers = (nn.Conv2d(1, 6, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(216, 20), nn.Sigmoid())
        task = Task("smooth-chain", nn.Sequential(*layers, nn.Linear(20, 4)), (1, 6, 6), 4)
    batch = batch_of(task, 1)
    assert (attacked(observe(task, batch)).inputs - batch.inputs).abs().max() < 1e-2


def test_a_layer_s_matrices_are_its_convolution_and_its_weight_gradient():
    rng = generator("equations")
    layer = nn.Conv2d(2, 5, 3, stride=2, padding=1, bias=False).double()
    weight = torch.randn(layer.weight.shape, generator=rng, dtype=torch.float64, requires_grad=True)
    inputs = torch.randn(1, 2, 7, 7, generator=rng, dtype=torch.float64)
    output = nn.functional.conv2d(inputs, weight, None, 2, 1)
    by_output = torch.randn(output.shape, generator=rng, dtype=torch.float64)
    (by_weight,) = torch.autograd.grad(output, weight, by_output)
    forward = weight_matrix(layer, weight.detach(), (2, 7, 7)) @ inputs.reshape(-1).numpy()
    backward = derivative_matrix(layer, by_output[0], (2, 7, 7)) @ inputs.reshape(2, 49).T.numpy()
    assert torch.allclose(torch.from_numpy(forward).sort().values, output.detach().reshape(-1).sort().values)
    assert torch.allclose(torch.from_numpy(backward).reshape(-1).sort().values, by_weight.reshape(-1).sort().values)


def test_missing_equations_are_counted(observe, batch_of):
    with seeded("narrow"):
        layers = (nn.Conv2d(1, 2, 2, stride=2, bias=False), nn.LeakyReLU(0.2), nn.Flatten())
        task = Task("narrow", nn.Sequential(*layers, nn.Linear(32, 4, bias=False)), (1, 8, 8), 4)
    guess = attacked(observe(task, batch_of(task, 1)))
    assert "too few equations to determine the input of '0' 36 of 64" in guess.note
    assert guess.certificate is None


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ((nn.Conv2d(1, 4, 3), nn.LeakyReLU(0.2), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 4)), "MaxPool2d"),
        ((nn.Flatten(), nn.Linear(36, 4), nn.LeakyReLU(0.2)), "does not end in a linear layer"),
    ],
)
def test_layers_that_cannot_be_undone_are_named(layers, words, observe, batch_of):
    task = Task("other", nn.Sequential(*layers), (1, 6, 6), 4)
    assert words in attacked(observe(task, batch_of(task, 1))).failure


def test_several_examples_are_refused(chain_task, observe, batch_of):
    assert "R-GAP is for one example" in attacked(observe(chain_task, batch_of(chain_task, 2))).failure
    hidden = replace(observe(chain_task, batch_of(chain_task, 2)), num_examples=1)
    assert attacked(hidden).certificate is None


def test_several_steps_are_not_taken_for_one(chain_task, observe, batch_of):
    guess = attacked(observe(chain_task, batch_of(chain_task, 1), LocalTraining(epochs=2)))
    assert guess.failure or guess.certificate is None
