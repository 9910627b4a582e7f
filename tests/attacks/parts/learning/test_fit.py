"""Training of an attack's own networks."""

import torch
from torch import nn

from fedleak.attacks.parts.learning.fit import fit
from fedleak.attacks.parts.optimizers.first_order import adam
from fedleak.randomness import generator, seeded


def test_a_network_ends_where_the_loss_is_least():
    inputs = torch.randn(50, 3, generator=generator("inputs"))
    truth = inputs @ torch.tensor([[1.0], [-2.0], [0.5]]) + 0.25
    with seeded("network"):
        network = nn.Linear(3, 1)
    steps = list(fit(network, lambda: (network(inputs) - truth).square().mean(), adam(0.1), 200))
    assert steps == list(range(1, 201))
    assert torch.allclose(network.weight, torch.tensor([[1.0, -2.0, 0.5]]), atol=1e-3)
    assert torch.allclose(network.bias, torch.tensor([0.25]), atol=1e-3)
