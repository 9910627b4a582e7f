"""Weights whose neurons each fire for few examples."""

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
from fedleak.server.malicious.trap_weights import examples_in_a_sum
from fedleak.settings.federation import FederationSettings
from fedleak.tasks import weights_of

FEDERATION = FederationSettings(clients=4, batch_size=2)
CONVOLUTION = [nn.Conv2d(1, 5, 3, stride=2, padding=1), nn.ReLU()]


def crafting(neurons: int = 300, front: list[nn.Module] | None = None, **known: Any) -> Crafting:
    features = 36 if front is None else 45
    with seeded("trapped task"):
        layers = [*(front or []), nn.Flatten(), nn.Linear(features, neurons), nn.ReLU(), nn.Linear(neurons, 4)]
        task = Task("tiny", nn.Sequential(*layers), (1, 6, 6), 4)
    asked = {"task": task, "weights": weights_of(task.network), "round": 1, "client": 0, "cohort": (0, 1, 2, 3)}
    return Crafting(**{**asked, "federation": FEDERATION, "public": images(256, "public"), **known})


def images(count: int, seed: object) -> Batch:
    """Random ones, some darker than others."""
    rng = generator("images", seed)
    shade = 0.2 + 0.8 * torch.rand(count, 1, 1, 1, generator=rng)
    return Batch(shade * torch.rand(count, 1, 6, 6, generator=rng), torch.zeros(count, dtype=torch.long))


def crafted(at: Crafting, **options: Any) -> dict[str, torch.Tensor]:
    return manipulations.build("trap-weights", options).craft(at, generator("craft")).state_dict()


def test_half_of_a_row_is_a_permutation_of_the_other_half_times_minus_the_scale() -> None:
    at = crafting()
    sent = crafted(at, scale=0.9, sigma=0.25)
    rows = sent["1.weight"].sort(1).values
    assert torch.allclose(rows[:, 18:], -0.9 * rows[:, :18].flip(1))
    assert rows[:, :18].square().mean().sqrt().item() == pytest.approx(0.25, rel=0.05)
    assert not sent["1.bias"].any()
    assert len({tuple((row > 0).tolist()) for row in sent["1.weight"]}) > 290


def test_everything_else_and_what_was_given_stays_what_it_was() -> None:
    at = crafting()
    kept = at.weights.clone().state_dict()
    sent = crafted(at)
    assert all(torch.equal(value, kept[name]) for name, value in at.weights.state_dict().items())
    assert all(torch.equal(sent[name], kept[name]) for name in ("3.weight", "3.bias"))


def test_the_same_dice_give_the_same_weights_whichever_client_asks() -> None:
    at = crafting()
    one, other = crafted(at), crafted(replace(at, client=3))
    assert all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize("spread", [1.0, 4.0])
@pytest.mark.parametrize("federation", [FEDERATION, FederationSettings(clients=8, batch_size=2, batches=2)])
def test_on_other_examples_a_neuron_fires_for_one_in_as_many_as_there_are_in_a_sum(
    spread: float, federation: FederationSettings
) -> None:
    sent = crafted(crafting(federation=federation), spread=spread)
    fires = images(2000, "others").inputs.flatten(1) @ sent["1.weight"].T > 0
    shares = fires.double().mean(0)
    wanted = 1 / examples_in_a_sum(federation)
    assert shares.clamp(min=1e-4).log().mean().exp().item() == pytest.approx(wanted, rel=0.3)
    assert (shares.std() > 0.5 * wanted).item() is (spread > 1)


def test_no_neuron_fires_for_much_more_than_half() -> None:
    sent = crafted(crafting(federation=FederationSettings(clients=2)), spread=100.0)
    fires = images(2000, "others").inputs.flatten(1) @ sent["1.weight"].T > 0
    assert fires.double().mean(0).max() < 0.65


def test_behind_convolutions_neurons_see_what_these_copy_and_nothing_else() -> None:
    at = crafting(front=CONVOLUTION)
    sent = crafted(at, scale=0.9)
    assert sent["0.weight"].sum().item() == 4  # a channel for each place within the stride, of five
    assert int((sent["3.weight"] != 0).sum(1).unique()) == 36
    fires = at.task.network[3](torch.zeros(1, 45)).shape
    assert fires == (1, 300)


def test_it_does_not_fit_without_public_examples_or_a_scale() -> None:
    at = crafting()
    terms = ServerTerms(federation=FEDERATION, task=at.task)
    with pytest.raises(ConfigError, match=r"expected public examples.*set adversary.auxiliary, or give the scale"):
        manipulations.build("trap-weights", {}).require(terms)
    manipulations.build("trap-weights", {"scale": 0.95}).require(terms)
    manipulations.build("trap-weights", {}).require(replace(terms, public=1))


@pytest.mark.parametrize("option", [{"scale": 0.0}, {"sigma": -1.0}, {"spread": 0.5}, {"scale": float("inf")}])
def test_options_out_of_range_are_refused(option: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(option))}: expected"):
        manipulations.build("trap-weights", option)
