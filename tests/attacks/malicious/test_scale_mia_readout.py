"""Readout of Scale-MIA: latent vectors are exact, and images better than any guess without them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from fedleak.attacks.parts.imprint.bins import read_bins
from fedleak.attacks.parts.linear_layers.first_layer import FirstLayer, Front
from fedleak.attacks.parts.linear_layers.pixelwise import Pixelwise
from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.gradients.imprint import ImprintLayer, latent_linear
from fedleak.randomness import generator

FAST = {"steps": 20, "refining": 40}


def read(observation: Observation, **options: object) -> Reconstruction:
    return attacks.build("scale-mia-readout", {**FAST, **options}).run(observation, generator("reader"))


@pytest.fixture(scope="module")
def summed(planted_sum: Callable[..., Any]) -> Any:
    return planted_sum("encoding_task", use="scale-mia", bins=48, steps=40, clients=3, batch_size=2, seed=1)


def test_latent_vectors_of_images_alone_in_a_bin_are_exact(summed: Any) -> None:
    observation, truth = summed
    layer = latent_linear(observation.task)
    assert isinstance(layer, ImprintLayer)
    front = Front(observation, FirstLayer(weight=layer.weight, bias=layer.bias, behind=""))
    with torch.no_grad():
        latents = front(truth.inputs)
    along = latents @ layer.direction(observation.before)
    thresholds = layer.thresholds(observation.before).sort().values
    places = torch.searchsorted(thresholds, along)
    alone = [int((places == place).sum()) == 1 and int(place) > 0 for place in places]
    found = read_bins(observation, layer, Pixelwise.none(72)).images
    off = torch.cdist(latents, found).amin(1) / latents.norm(dim=1)
    assert sum(alone) >= 4
    assert (off[torch.tensor(alone)] < 1e-4).all()


def test_images_are_nearer_than_the_mean_public_one_and_never_proved(summed: Any) -> None:
    observation, truth = summed
    guess = read(observation)
    apart = (guess.inputs[:, None] - truth.inputs[None]).square().flatten(2).mean(2).amin(0)
    usual = (observation.auxiliary.inputs.mean(0) - truth.inputs).square().flatten(1).mean(1)
    assert apart.mean() < 0.5 * usual.mean()
    assert guess.certified is None
    assert not guess.certifiable
    assert "latent vectors read of 6 examples" in guess.note


def test_what_it_cannot_read_is_said(summed: Any) -> None:
    observation, _ = summed
    assert "'scale-mia' has made" in read(replace(observation, manipulations=())).failure
    assert "holds 0; set adversary.auxiliary" in read(replace(observation, auxiliary=None)).failure
