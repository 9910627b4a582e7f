"""ReLUs and the examples that switch them on, against counting by hand."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.profile.activity import alone, expected_alone
from fedleak.tasks import weights_of


@given(examples=st.integers(1, 6), units=st.integers(1, 12), seed=st.integers(0, 99))
def test_alone_is_what_brute_force_finds(examples, units, seed):
    active = torch.rand(examples, units, generator=torch.Generator().manual_seed(seed)) < 0.4
    table = active.tolist()
    expected = sum(
        any(table[i][u] and not any(table[j][u] for j in range(examples) if j != i) for u in range(units))
        for i in range(examples)
    )
    assert alone(active) == expected


def test_expected_alone_is_the_mean_over_batches_of_that_size():
    """Each of four one-hot images switches on a neuron of its own."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    with torch.no_grad():
        network[1].weight.copy_(torch.eye(4))
        network[1].bias.fill_(-0.5)
    task = Task("one-hot", network, (1, 2, 2), 2)
    public = Batch(torch.eye(4).reshape(4, 1, 2, 2), torch.zeros(4, dtype=torch.int64))
    dice = torch.Generator().manual_seed(0)
    assert expected_alone(task, weights_of(network), public, "1", 3, "train", dice) == 3.0
