"""R-GAP finds the one example behind a chain of layers that can be undone, and says where it cannot."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from fedleak.attacks.parts.last_input import last_input
from fedleak.attacks.parts.layer_chain import chain_of
from fedleak.attacks.parts.layer_equations import solve_convolution
from fedleak.attacks.r_gap import RGAP
from fedleak.randomness import generator, global_dice
from fedleak.task import Task
from fedleak.training import LocalTraining


@pytest.fixture
def chain_task() -> Task:
    """Two bias-free convolutions with leaky ReLUs on 1x8x8 images, four classes."""
    with global_dice("chain task"):
        layers = (nn.Conv2d(1, 6, 3, padding=1, bias=False), nn.LeakyReLU(0.2))
        more = (nn.Conv2d(6, 8, 3, stride=2, padding=1, bias=False), nn.LeakyReLU(0.2))
        return Task("chain", nn.Sequential(*layers, *more, nn.Flatten(), nn.Linear(128, 4, bias=False)), (1, 8, 8), 4)


def attacked(observation):
    return RGAP().reconstruct(observation, generator(0))


def test_one_example_is_found_with_its_label(chain_task, observe, batch_of):
    for seed in range(3):
        batch = batch_of(chain_task, 1, seed)
        guess = attacked(observe(chain_task, batch))
        assert (guess.inputs - batch.inputs).abs().max() < 1e-2
        assert guess.labels.tolist() == batch.labels.tolist()
        assert guess.note == "each layer has equations for all its inputs"


def test_biases_and_smooth_activations_are_undone_too(observe, batch_of):
    with global_dice("smooth chain"):
        layers = (nn.Conv2d(1, 6, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(216, 20), nn.Sigmoid())
        task = Task("smooth-chain", nn.Sequential(*layers, nn.Linear(20, 4)), (1, 6, 6), 4)
    batch = batch_of(task, 1)
    assert (attacked(observe(task, batch)).inputs - batch.inputs).abs().max() < 1e-2


def test_a_layer_s_equations_give_back_its_input():
    rng = generator("equations")
    layer = nn.Conv2d(2, 5, 3, stride=2, padding=1, bias=False).double()
    weight = torch.randn(layer.weight.shape, generator=rng, dtype=torch.float64)
    truth = torch.randn(1, 2, 7, 7, generator=rng, dtype=torch.float64)
    weight.requires_grad_()
    output = nn.functional.conv2d(truth, weight, None, 2, 1)
    by_output = torch.randn(output.shape, generator=rng, dtype=torch.float64)
    (by_weight,) = torch.autograd.grad(output, weight, by_output)
    solved = solve_convolution(layer, weight.detach(), (2, 7, 7), output[0].detach(), by_output[0], by_weight)
    assert (solved.unknowns, solved.equations, solved.deficit) == (98, 80 + 90 - 25, 0)
    assert torch.allclose(solved.inputs, truth.reshape(-1), atol=1e-6)
    assert solved.residual < 1e-8


@pytest.mark.parametrize("with_bias", [True, False])
def test_the_last_layer_s_input_has_a_length(with_bias):
    rng = generator("last")
    weight, truth = torch.randn(5, 12, generator=rng).double(), torch.rand(12, generator=rng).double()
    bias = torch.randn(5, generator=rng).double() if with_bias else None
    logits = weight @ truth + (0.0 if bias is None else bias)
    residual = logits.softmax(0) - torch.nn.functional.one_hot(torch.tensor(3), 5)
    found = last_input(torch.outer(residual, truth), weight, bias)
    assert found.label == 3
    assert torch.allclose(found.features, truth, rtol=1e-5)
    assert found.misfit < 1e-6


def test_missing_equations_are_counted(observe, batch_of):
    with global_dice("narrow"):
        layers = (nn.Conv2d(1, 2, 2, stride=2, bias=False), nn.LeakyReLU(0.2), nn.Flatten())
        task = Task("narrow", nn.Sequential(*layers, nn.Linear(32, 4, bias=False)), (1, 8, 8), 4)
    guess = attacked(observe(task, batch_of(task, 1)))
    assert "'0' lacks 28 of 64" in guess.note
    assert guess.certificate is None


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ((nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 4)), "ReLU, cannot be undone"),
        ((nn.Conv2d(1, 4, 3), nn.LeakyReLU(0.2), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 4)), "MaxPool2d"),
        ((nn.Flatten(), nn.Linear(36, 4), nn.LeakyReLU(0.2)), "does not end in a linear layer"),
    ],
)
def test_layers_that_cannot_be_undone_are_named(layers, words, observe, batch_of):
    task = Task("other", nn.Sequential(*layers), (1, 6, 6), 4)
    assert words in attacked(observe(task, batch_of(task, 1))).failure


def test_several_examples_or_steps_are_refused(chain_task, observe, batch_of):
    assert "inverts one example" in attacked(observe(chain_task, batch_of(chain_task, 2))).failure
    steps = observe(chain_task, batch_of(chain_task, 1), LocalTraining(epochs=2))
    assert "one local step" in attacked(steps).failure
    hidden = replace(observe(chain_task, batch_of(chain_task, 2)), num_examples=1)
    assert "not that of one example" in attacked(hidden).failure
    network = chain_task.network
    assert len(chain_of(chain_task)) == sum(isinstance(layer, nn.Conv2d | nn.Linear) for layer in network)
