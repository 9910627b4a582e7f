"""Scale-MIA: rows behind an encoder sort latent vectors, and what it does not fit is refused."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from fedleak.contracts.manipulation import Crafting, Manipulation, ServerTerms, manipulations
from fedleak.errors import ConfigError
from fedleak.gradients.imprint import ImprintLayer, latent_linear
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.randomness import generator, seeded
from fedleak.server.malicious.scale_mia import feature_maps, trained_encoder
from fedleak.settings.federation import FederationSettings
from fedleak.tasks import task_of, weights_of

TASK = "digits-lenet5"


def scale_mia(**options: object) -> Manipulation:
    return manipulations.build("scale-mia", {"steps": 4, **options})


def crafting(task: Task) -> Crafting:
    public = torch.rand(300, *task.shape, generator=generator("public"))
    return Crafting(
        task=task,
        weights=weights_of(task.network),
        round=1,
        client=0,
        cohort=(0, 1),
        federation=FederationSettings(clients=2, batch_size=4),
        public=Batch(public, torch.zeros(300, dtype=torch.long)),
    )


def test_latent_vectors_wake_rows_evenly_and_other_rows_never() -> None:
    task = task_of(TASK)
    at = crafting(task)
    sent, layer = scale_mia(bins=16).craft(at, generator("server")), latent_linear(task)
    unseen = torch.rand(2000, *task.shape, generator=generator("unseen"))
    with torch.no_grad():
        latents = feature_maps(task, sent, layer, unseen).flatten(1).double()
    thresholds = layer.thresholds(sent)[:16]
    assert torch.equal(thresholds, thresholds.sort().values)
    along = latents @ layer.direction(sent)
    shares = torch.histc(torch.searchsorted(thresholds, along).double(), 17, 0, 16) / len(unseen)
    assert (shares[1:16] - 1 / 17).abs().max() < 0.03
    woken = latents @ sent.parameters[layer.weight].double().T + sent.parameters[layer.bias].double() > 0
    assert woken[:, :16].any(0).all()
    assert not woken[:, 16:].any()


def test_the_network_stays_and_dice_alone_decide_whatever_the_threads() -> None:
    task, server = task_of(TASK), scale_mia()
    at = crafting(task)
    kept = at.weights.clone().state_dict()
    one, other = (server.craft(at, generator(seed)).state_dict() for seed in (1, 2))
    torch.set_num_threads(2)
    try:
        same = server.craft(at, generator(1)).state_dict()
    finally:
        torch.set_num_threads(1)
    assert not server.ships
    assert all(torch.equal(value, kept[name]) for name, value in at.weights.state_dict().items())
    assert all(torch.equal(value, same[name]) for name, value in one.items())
    assert not torch.equal(one["0.weight"], other["0.weight"])


def test_what_does_not_fit_is_refused_in_a_sentence() -> None:
    terms = ServerTerms(federation=FederationSettings(), task=task_of(TASK), public=100)
    scale_mia().require(terms)
    for changed, options, words in (
        ({"public": 2}, {}, "trains an encoder on public examples, and the adversary has 2"),
        ({"task": task_of("digits-convnet")}, {}, "come nothing, not ReLU and Linear; take one that has them"),
        ({"task": task_of("digits-mlp")}, {}, "no linear layer that is not its first"),
        ({}, {"bins": 121}, "has 120 for bins = 121"),
    ):
        with pytest.raises(ConfigError, match=words):
            scale_mia(**options).require(replace(terms, **changed))


def test_chance_leaves_so_many_alone() -> None:
    server = scale_mia(bins=100)
    assert server.expected_alone(8) == pytest.approx(8 * 0.99**7)


def tiny_task(*front: nn.Module, features: int) -> Task:
    with seeded("encoder test"):
        pair = (nn.Linear(features, 6), nn.ReLU(), nn.Linear(6, 2))
        return Task("tiny", nn.Sequential(*front, nn.Flatten(), *pair), (1, 4, 4), 2)


def found(of: Task) -> ImprintLayer:
    layer = latent_linear(of)
    assert isinstance(layer, ImprintLayer)
    return layer


def test_feature_maps_are_what_was_flattened() -> None:
    tiny = tiny_task(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), features=12)
    images = torch.rand(5, 1, 4, 4, generator=generator(1))
    maps = feature_maps(tiny, weights_of(tiny.network), found(tiny), images)
    assert maps.shape == (5, 3, 2, 2)
    assert torch.equal(maps, tiny.network[:3](images))


def test_layers_without_feature_maps_are_refused() -> None:
    flat = tiny_task(nn.Flatten(), nn.Sigmoid(), features=16)
    with pytest.raises(ConfigError, match="expected feature maps that are flattened"):
        feature_maps(flat, weights_of(flat.network), found(flat), torch.rand(2, 1, 4, 4))


def test_convolutions_alone_are_trained_by_the_dice_and_channels_that_were_alike_no_longer_are() -> None:
    with seeded("channels"):
        front = (nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
    tiny = tiny_task(*front, features=16)
    public, before = torch.rand(64, 1, 4, 4, generator=generator(2)), weights_of(tiny.network)
    for name in ("0.weight", "0.bias"):
        before.parameters[name][:] = before.parameters[name][:1].clone().abs()  # awake on every image
    kept = before.clone()
    once, same, other = (trained_encoder(tiny, before, found(tiny), public, 30, 0.03, generator(n)) for n in (3, 3, 4))
    for name, value in before.parameters.items():
        assert torch.equal(value, kept.parameters[name])
        assert torch.equal(once.parameters[name], same.parameters[name])
        assert torch.equal(once.parameters[name], value) == (not name.startswith("0."))
    assert not torch.equal(once.parameters["0.weight"], other.parameters["0.weight"])

    def unexplained(weights: object) -> float:
        """What a line makes of latent vectors, least squares, leaves of the images."""
        latents = feature_maps(tiny, weights, found(tiny), public).detach().flatten(1).double()
        latents = torch.cat([latents, torch.ones(len(latents), 1)], 1)
        images = public.flatten(1).double()
        return float((latents @ torch.linalg.lstsq(latents, images).solution - images).square().mean())

    assert unexplained(once) < unexplained(before)
