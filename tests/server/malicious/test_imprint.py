"""Imprint: what is shipped and sent, and what it does not fit."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import nn

from fedleak.contracts.manipulation import Crafting, Manipulation, ServerTerms, manipulations
from fedleak.errors import ConfigError
from fedleak.gradients.imprint import first_linear, planted_module
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.text import OTHER, Text
from fedleak.learning.weights import Weights
from fedleak.models.gru import CharacterGRU
from fedleak.randomness import generator, seeded
from fedleak.server.malicious import imprint as imprint_module
from fedleak.settings.federation import FederationSettings
from fedleak.statistics.singletons import expected_share
from fedleak.tasks import task_of, weights_of

Shipped = Callable[..., tuple[Manipulation, Task, Crafting]]


def imprint(**options: object) -> Manipulation:
    return manipulations.build("imprint", options)


def perceptron() -> Task:
    with seeded("perceptron"):
        layers = (nn.Flatten(), nn.Linear(36, 24), nn.ReLU(), nn.Linear(24, 4))
        return Task("tiny-mlp", nn.Sequential(*layers), (1, 6, 6), 4)


@pytest.fixture
def shipped() -> Shipped:
    def made(task: Task | None = None, public: int = 300, **options: object) -> tuple[Manipulation, Task, Crafting]:
        own = task or perceptron()
        server = imprint(**options)
        with seeded("shipped"):
            own = server.transform_task(own)
        examples = torch.rand(public, *own.shape, generator=generator("public"))
        at = Crafting(
            task=own,
            weights=weights_of(own.network),
            round=1,
            client=0,
            cohort=(0, 1),
            federation=FederationSettings(clients=2, batch_size=4),
            public=Batch(examples, torch.zeros(public, dtype=torch.long)),
        )
        return server, own, at

    return made


@pytest.mark.parametrize("form", ["linear", "sparse", "one-shot"])
def test_the_network_that_is_shipped_is_the_same_until_weights_are_crafted(form: str, shipped: Shipped) -> None:
    images = torch.rand(3, 1, 6, 6, generator=generator(1))
    honest = perceptron()
    before = honest.logits(weights_of(honest.network), images)
    _, task, at = shipped(honest, form=form, bins=8)
    assert torch.equal(task.logits(at.weights, images), before)
    assert weights_of(honest.network).parameters.keys() < at.weights.parameters.keys()
    assert torch.equal(honest.logits(weights_of(honest.network), images), before)


@pytest.mark.parametrize("form", ["linear", "sparse"])
def test_unseen_images_fall_evenly_between_thresholds(form: str, shipped: Shipped) -> None:
    server, task, at = shipped(form=form, bins=16, public=1000)
    sent = server.craft(at, generator("server"))
    layer = planted_module(task.network)
    unseen = torch.rand(4000, 36, generator=generator("unseen"), dtype=torch.float64) @ layer.direction(sent)
    thresholds = layer.thresholds(sent)
    assert torch.equal(thresholds, thresholds.sort().values)
    shares = torch.histc(torch.searchsorted(thresholds, unseen).double(), 17, 0, 16) / len(unseen)
    assert (shares[1:16] - 1 / 17).abs().max() < 0.03


def test_a_row_that_saturates_is_moved_by_what_lies_in_its_bin_alone(shipped: Shipped) -> None:
    server, task, at = shipped(form="sparse", bins=8)
    sent = server.craft(at, generator("server"))
    gradient = task.gradients(sent, at.public.inputs[:1], at.public.labels[:1])
    assert (gradient[planted_module(task.network).bias] != 0).sum() == 1


def test_by_weights_alone_nothing_is_shipped_and_other_rows_never_wake(shipped: Shipped) -> None:
    honest = perceptron()
    server, task, at = shipped(honest, form="weights", bins=8)
    assert task is honest
    assert not server.ships
    assert imprint().ships
    sent, layer = server.craft(at, generator("server")), first_linear(task)
    seen = at.public.inputs.flatten(1) @ sent.parameters[layer.weight].T + sent.parameters[layer.bias]
    assert (seen[:, :8] > 0).any(0).all()
    assert not (seen[:, 8:] > 0).any()
    columns = sent.parameters[layer.behind]
    assert torch.equal(columns, columns[:, :1].expand_as(columns))


def test_one_shot_bins_hold_one_of_all_examples(shipped: Shipped) -> None:
    server, task, at = shipped(form="one-shot", bins=4, public=1000)
    many = replace(at, federation=FederationSettings(clients=2, batch_size=50), cohort=(0, 1))
    sent = server.craft(many, generator("server"))
    layer = planted_module(task.network)
    thresholds = layer.thresholds(sent)
    along = at.public.inputs.flatten(1).double() @ layer.direction(sent)
    shares = [((along > low) & (along < high)).double().mean() for low, high in pairwise(thresholds)]
    assert all(abs(float(share) - 1 / 100) < 0.006 for share in shares)


@pytest.mark.parametrize("form", ["linear", "sparse", "one-shot", "weights"])
def test_what_is_given_stays_and_dice_alone_decide(form: str, shipped: Shipped) -> None:
    server, _, at = shipped(form=form, bins=8)
    kept = at.weights.clone()
    one, same, other = (server.craft(at, generator(seed)) for seed in (1, 1, 2))
    assert equal(at.weights, kept)
    assert equal(one, same)
    assert not equal(one, other)
    assert equal(one, server.craft(replace(at, client=1), generator(1)))


def equal(one: Weights, other: Weights) -> bool:
    return all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


def test_what_does_not_fit_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    task, federation = perceptron(), FederationSettings()
    fits = ServerTerms(federation=federation, task=task, public=256)
    imprint().require(fits)
    imprint(form="weights", bins=24).require(fits)
    with pytest.raises(ConfigError, match=r"the adversary has 0; set adversary\.auxiliary"):
        imprint().require(replace(fits, public=0))
    with pytest.raises(ConfigError, match="has 24 for bins = 512; lower bins"):
        imprint(form="weights").require(fits)
    with pytest.raises(ConfigError, match="begins with Conv2d, not with a linear layer"):
        imprint(form="weights").require(replace(fits, task=task_of("photos-convnet")))
    with pytest.raises(ConfigError, match=r'federation\.batches is "all"'):
        imprint(form="one-shot").require(replace(fits, federation=FederationSettings(batches="all")))
    with pytest.raises(ConfigError, match="bins: expected greater than or equal to 2, got 1"):
        imprint(bins=1)
    with pytest.raises(ConfigError, match="take images or a table"):
        imprint().transform_task(
            Task("tiny-gru", CharacterGRU(7, 4), (5,), 7, given=Text(alphabet="abcdef" + OTHER, length=5))
        )
    monkeypatch.setattr(imprint_module, "memory_of_machine", lambda: 2**16)
    with pytest.raises(ConfigError, match="and this machine has"):
        imprint().transform_task(task)


def test_how_many_are_expected_alone_goes_by_the_bins_that_there_are() -> None:
    """By chance as in `fedleak.statistics.singletons`; one-shot bins are for one example of the round each."""
    assert imprint(bins=64).expected_alone(16) == pytest.approx(16 * expected_share(16, 64))
    assert imprint(bins=64, form="linear").expected_alone(16) == pytest.approx(16 * expected_share(16, 64))
    one_shot = imprint(bins=8, form="one-shot")
    assert one_shot.expected_alone(16) == one_shot.expected_alone(16, 16) == pytest.approx(8 * expected_share(16, 16))
    assert one_shot.expected_alone(8, 16) == pytest.approx(4 * expected_share(8, 16))
    assert one_shot.expected_alone(4) == pytest.approx(4 * expected_share(4, 8))
    assert imprint(bins=64).expected_alone(16, kept=0.5) == pytest.approx(8 * expected_share(16, 64))
    apart = imprint(bins=64, form="linear").expected_alone(16, kept=0.5)
    assert 0.5 * 16 * expected_share(16, 64) < apart < 16 * expected_share(16, 32)
