"""Neurons that each fire for one record."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from fedleak.contracts.manipulation import Crafting, ServerTerms, manipulations
from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.randomness import generator, seeded
from fedleak.server.malicious.active_membership import whitened
from fedleak.settings.federation import FederationSettings
from fedleak.tasks import weights_of

FEDERATION = FederationSettings(clients=4, batch_size=2, planted=16)
FLAT: list[nn.Module] = [nn.Flatten(), nn.Linear(36, 40), nn.ReLU(), nn.Linear(40, 4)]
CONVOLVED: list[nn.Module] = [
    *(nn.Conv2d(1, 5, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten()),
    *(nn.Linear(45, 40), nn.ReLU(), nn.Linear(40, 4)),
]
TARGETS = 16


def images(count: int, seed: object) -> Batch:
    """Alike as photos are: a common background, and few pixels that differ."""
    rng = generator("images", seed)
    background = torch.rand(1, 1, 6, 6, generator=generator("background"))
    inputs = 0.7 * background + 0.3 * torch.rand(count, 1, 6, 6, generator=rng)
    return Batch(inputs, torch.zeros(count, dtype=torch.long))


def crafting(layers: list[nn.Module] = FLAT, **known: Any) -> Crafting:
    with seeded("membership task"):
        task = Task("tiny", nn.Sequential(*layers), (1, 6, 6), 4)
    asked = {"task": task, "weights": weights_of(task.network), "round": 1, "client": 0, "cohort": (0, 1, 2, 3)}
    return Crafting(**{**asked, "federation": FEDERATION, "public": images(256, "public"), **known})


def fires(at: Crafting, inputs: torch.Tensor, **options: Any) -> torch.Tensor:
    """What the planted neurons put out, an example a row."""
    sent = manipulations.build("active-membership", options).craft(at, generator("craft"))
    seen: list[torch.Tensor] = []
    layer = next(one for one in at.task.network.modules() if isinstance(one, nn.Linear))
    handle = layer.register_forward_hook(lambda _, __, output: seen.append(output))
    at.task.logits(sent, inputs)
    handle.remove()
    return seen[0].detach().relu()[:, : options.get("targets", TARGETS)]


@pytest.mark.parametrize("layers", [FLAT, CONVOLVED])
def test_a_neuron_is_one_for_its_target_and_silent_for_all_other_public_examples(layers: list[nn.Module]) -> None:
    at = crafting(layers)
    assert at.public is not None
    found = fires(at, at.public.inputs)
    assert torch.allclose(found[:TARGETS].diagonal(), torch.ones(TARGETS), atol=1e-3)
    found[:TARGETS].fill_diagonal_(0)
    assert not found.any()


def test_nearly_nobody_elses_examples_wake_one_though_all_are_alike() -> None:
    assert float((fires(crafting(), images(2000, "others").inputs) > 0).double().mean()) < 2e-3


def test_all_other_neurons_and_layers_stay_and_so_does_what_was_given() -> None:
    at = crafting()
    kept = at.weights.clone().state_dict()
    sent = manipulations.build("active-membership", {"targets": 7}).craft(at, generator("craft")).state_dict()
    assert all(torch.equal(value, kept[name]) for name, value in at.weights.state_dict().items())
    assert all(torch.equal(sent[name], kept[name]) for name in ("3.weight", "3.bias"))
    assert all(torch.equal(sent[name][7:], kept[name][7:]) for name in ("1.weight", "1.bias"))
    assert all((sent[name][:7] != kept[name][:7]).all() for name in ("1.weight", "1.bias"))


def test_a_record_that_is_public_twice_still_wakes_its_neuron() -> None:
    public = images(64, "public")
    twice = replace(public, inputs=torch.cat([public.inputs[:1], public.inputs[:63]]))
    found = fires(crafting(public=twice), twice.inputs)
    assert (found[:2, :2] > 0).all()
    assert int((found[:, 0] > 0).sum()) == 2


@pytest.mark.parametrize("examples", [10, 400])
def test_whitening_is_the_inverse_of_the_covariance_with_its_ridge(examples: int) -> None:
    rng = generator("whitened")
    apart = torch.randn(examples, 30, generator=rng, dtype=torch.float64) * torch.linspace(0.1, 2, 30)
    vectors = torch.randn(5, 30, generator=rng, dtype=torch.float64)
    covariance = apart.T @ apart / examples
    added = 0.1 * covariance.diagonal().mean() * torch.eye(30, dtype=torch.float64)
    wanted = torch.linalg.solve(covariance + added, vectors.T).T
    assert torch.allclose(whitened(vectors, apart, 0.1), wanted, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    ("options", "changes", "sentence"),
    [
        ({"targets": 41}, {}, r"a neuron for each of 41 targets in the first linear layer '1' of 'tiny', got 40"),
        ({"targets": 20}, {"public": 19}, r"expected 20 public examples or more .* got 19; raise adversary.auxiliary"),
        ({"targets": 1}, {"public": 1}, r"expected 2 public examples or more"),
        ({"targets": 17}, {}, r"copies of 17 targets that clients may hold, got 16: .* set federation.planted to 17"),
        ({}, {"federation": FederationSettings()}, r"got 0: no client has a public example otherwise"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(options: dict, changes: dict, sentence: str) -> None:
    terms = ServerTerms(**{"federation": FEDERATION, "task": crafting().task, "public": 256, **changes})
    with pytest.raises(ConfigError, match=sentence):
        manipulations.build("active-membership", options).require(terms)


def test_it_fits_the_rest_and_needs_a_linear_layer() -> None:
    terms = ServerTerms(federation=FEDERATION, task=crafting().task, public=256)
    manipulations.build("active-membership", {}).require(terms)
    with seeded("no linear layer"):
        network = nn.Sequential(nn.Conv2d(1, 4, 6), nn.Flatten())
    with pytest.raises(ConfigError, match="expected a network with a linear layer"):
        manipulations.build("active-membership", {}).require(replace(terms, task=Task("convs", network, (1, 6, 6), 4)))
