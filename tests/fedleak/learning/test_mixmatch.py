"""MixMatch: what it learns from examples without labels, what it leaves as it is, and the same for the same draws."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from fedleak.learning.mixmatch import MixMatch, fresh
from fedleak.learning.weights import NamedTensors
from fedleak.randomness import generator

START = {"weight": torch.eye(2)}
LEARNER = MixMatch(steps=60, learning_rate=0.05, noise=0.3, unlabeled=2.0)


def features(parameters: NamedTensors, inputs: Tensor) -> Tensor:
    """A linear layer, both signs of it, as the head begins with ReLU."""
    seen = inputs @ parameters["weight"].T
    return torch.cat([seen, -seen], dim=1)


def clusters(count: int) -> tuple[Tensor, Tensor]:
    """Points about (3, 0) and (-3, 0), which differ far more along the axis that says nothing."""
    rng = generator("clusters", count)
    labels = torch.arange(count) % 2
    noise = torch.randn(count, 2, generator=rng) * torch.tensor([0.5, 3.0])
    return noise + torch.stack([3.0 - 6.0 * labels, torch.zeros(count)], dim=1), labels


LABELED = torch.tensor([[3.0, 6.0], [-3.0, -6.0]]), torch.tensor([0, 1])
"""From these alone one would learn the axis that says nothing."""


def accuracy(learner: MixMatch, others: Tensor, labels: Tensor) -> float:
    learnt = learner.fit(features, START, LABELED, others, 2, generator("fit"))
    return (learnt.probabilities(others).argmax(1) == labels).double().mean().item()


@pytest.mark.slow
def test_examples_without_labels_say_where_the_boundary_is():
    others, labels = clusters(200)
    assert accuracy(LEARNER, others, labels) >= 0.97
    alone, _ = LABELED
    assert accuracy(LEARNER, alone.repeat(8, 1), LABELED[1].repeat(8)) == 1.0
    learnt = LEARNER.fit(features, START, LABELED, alone.repeat(8, 1), 2, generator("fit"))
    assert (learnt.probabilities(others).argmax(1) == labels).double().mean() < 0.9  # two points do not


def test_a_network_whose_rate_is_zero_stays_as_it_is():
    others, _ = clusters(50)
    learner = replace(LEARNER, steps=3)
    held = replace(learner, network_rate=0.0).fit(features, START, LABELED, others, 2, generator("fit"))
    assert torch.allclose(held.weights["weight"], torch.eye(2), atol=1e-6)
    moved = learner.fit(features, START, LABELED, others, 2, generator("fit"))
    assert not torch.allclose(moved.weights["weight"], torch.eye(2), atol=1e-3)
    assert torch.equal(START["weight"], torch.eye(2))


def test_the_same_draws_learn_the_same():
    others, _ = clusters(50)
    one, two, other = (
        replace(LEARNER, steps=3).fit(features, START, LABELED, others, 2, generator(key)).probabilities(others)
        for key in ("one", "one", "other")
    )
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert torch.allclose(one.sum(1), torch.ones(50))


def test_a_guess_is_sharpened_by_its_temperature():
    point = {"weight": torch.eye(2), **_head()}
    copies = [clusters(20)[0]]
    plain = replace(LEARNER, temperature=1.0)._guessed(features, point, copies)
    sharp = replace(LEARNER, temperature=0.5)._guessed(features, point, copies)
    assert torch.allclose(sharp, plain**2 / (plain**2).sum(1, keepdim=True))


def _head() -> NamedTensors:
    rng = generator("head")
    return {
        "head/weight": torch.randn(2, 4, generator=rng),
        "head/bias": torch.zeros(2),
        "head/scale": torch.ones(4),
        "head/shift": torch.zeros(4),
    }


@pytest.mark.parametrize("name", ["one", "two"])
def test_fresh_weights_are_drawn_anew_and_scales_stay(name):
    network = {"kernel": torch.ones(4, 25), "bias": torch.arange(4.0), "scale": torch.ones(4)}
    made = fresh(network, generator(name))
    assert made["kernel"].abs().max() <= 1 / 5
    assert made["kernel"].std() > 0.05
    assert torch.equal(made["bias"], torch.zeros(4))
    assert torch.equal(made["scale"], torch.ones(4))
