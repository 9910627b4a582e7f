"""Facts: what was found of a training, of inputs of any type, and whether an attacker may have it."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from fedleak.audit.answers import Answers
from fedleak.audit.examples import examples_behind
from fedleak.audit.facts import UNREPORTED, facts_of
from fedleak.audit.understanding import understood


def steps(dtype):
    def train(network, inputs, labels):
        network.to(dtype)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        for chosen in torch.arange(6).repeat(2).split(3):
            optimizer.zero_grad()
            functional.cross_entropy(network(inputs[chosen].to(dtype)), labels[chosen]).backward()
            optimizer.step()

    return train


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_examples_are_told_apart_in_any_precision(seen, dtype: torch.dtype) -> None:
    update = seen(steps(dtype), nn.Sequential(nn.Flatten(), nn.Linear(192, 5)))
    assert examples_behind(update) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]


def test_a_number_that_nobody_reported_is_said_to_be_taken_as_known(seen) -> None:
    update = seen(steps(torch.float32), nn.Sequential(nn.Flatten(), nn.Linear(192, 5)))
    silent = replace(update, reported={})
    for one, unreported in ((update, False), (silent, True)):
        used = {fact.what: fact.used for fact in facts_of(one, understood(one), Answers())}
        assert [used[what] == UNREPORTED for what in ("steps", "examples")] == [unreported] * 2
