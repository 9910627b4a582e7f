"""Activations: what enters the layers of a network, as running them by hand has it."""

import torch
from torch import nn

from fedleak.attacks.parts.records.activations import activations
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights
from fedleak.randomness import generator, seeded


def test_of_a_perceptron_they_are_what_its_hidden_layers_say_and_the_scores() -> None:
    with seeded("activations"):
        network = nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))
    task, inputs = Task("t", network, (6,), 3), torch.randn(300, 6, generator=generator("inputs"))
    first, second = network[:3](inputs), network[:5](inputs)
    expected = torch.cat([first, second, network(inputs)], dim=1).detach().double()
    found = activations(task, Weights.of(network), inputs)
    assert torch.allclose(found, expected, atol=1e-6)
    assert not any(module._forward_pre_hooks for module in network.modules())
