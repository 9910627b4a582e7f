"""Fishing: below the last layer nobody but the target's examples has a gradient."""

import pytest
import torch
from torch import nn

from fedleak.contracts.manipulation import Crafting, ServerTerms, manipulations
from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.randomness import generator, seeded
from fedleak.server.malicious.fishing import features_of
from fedleak.settings.federation import FederationSettings
from fedleak.tasks import weights_of

TARGET = 2


def a_task(*layers: nn.Module, classes: int = 4) -> Task:
    with seeded("fishing"):
        usual = (nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, classes))
        return Task("tiny", nn.Sequential(nn.Flatten(), *(layers or usual)), (1, 3, 4), classes)


def a_batch(task: Task, labels: list[int], seed: int = 0) -> Batch:
    return Batch(torch.rand(len(labels), *task.shape, generator=generator("fish", seed)), torch.tensor(labels))


def crafted(task: Task, public: Batch | None = None, **options: object):
    server = manipulations.build("fishing", {"target_class": TARGET, **options})
    settings = FederationSettings(clients=2, batch_size=8)
    at = Crafting(
        task=task, weights=weights_of(task.network), round=1, client=0, cohort=(0, 1), federation=settings,
        public=public,
    )  # fmt: skip
    kept = at.weights.clone()
    made = server.craft(at, generator(0))
    assert all(torch.equal(value, kept.parameters[name]) for name, value in at.weights.parameters.items())
    return made


def terms(task: Task, public: int = 0) -> ServerTerms:
    return ServerTerms(federation=FederationSettings(), task=task, public=public)


@pytest.mark.parametrize("mult", [None, 0.5])
def test_of_other_classes_nothing_is_below_the_last_layer_nor_in_the_target_s_row(mult):
    task = a_task()
    weights = crafted(task) if mult is None else crafted(task, class_mult=mult)
    gradient = task.gradients(weights, *vars_of(a_batch(task, [0, 1, 3, 3, 0])))
    assert not gradient["1.weight"].any()
    assert not gradient["1.bias"].any()
    assert not gradient["3.weight"][TARGET].any()
    assert gradient["3.bias"].any()


def test_the_target_s_examples_have_one_and_its_bias_counts_them():
    task = a_task()
    weights = crafted(task)
    batch = a_batch(task, [TARGET, 0, TARGET, 1, 3])
    gradient, own = (task.gradients(weights, *vars_of(one)) for one in (batch, batch[torch.tensor([0, 2])]))
    assert float(gradient["3.bias"][TARGET]) == pytest.approx(-2 / 5)
    assert gradient["1.weight"].any()
    assert torch.allclose(gradient["1.weight"], own["1.weight"] * 2 / 5, rtol=1e-5, atol=1e-9)
    assert torch.allclose(gradient["3.weight"][TARGET], own["3.weight"][TARGET] * 2 / 5, rtol=1e-5)


def test_of_one_class_those_above_the_threshold_of_a_feature_have_a_gradient():
    task = a_task()
    public = a_batch(task, [TARGET] * 64, seed=1)
    weights = crafted(task, public, form="feature", feat_mult=1e6)
    chosen = int(weights.parameters["3.weight"][TARGET].abs().argmax())
    threshold = -float(weights.parameters["3.bias"][TARGET] / weights.parameters["3.weight"][TARGET, chosen])
    batch = a_batch(task, [TARGET] * 32, seed=3)
    above = features_of(task, weights, "3", batch.inputs)[:, chosen] > threshold
    assert 0 < int(above.sum()) < 12
    own = features_of(task, weights, "3", public.inputs)[:, chosen] > threshold
    assert float(own.float().mean()) == pytest.approx(1 / 8, abs=0.02)
    for place in range(32):
        gradient = task.gradients(weights, *vars_of(batch[torch.tensor([place])]))
        assert bool(gradient["1.weight"].any()) == bool(above[place])


def test_public_examples_are_asked_for_by_the_form_that_needs_them():
    feature, whole = (manipulations.build("fishing", {"form": form}) for form in ("feature", "class"))
    assert feature.uses_public
    assert not whole.uses_public


def vars_of(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    return batch.inputs, batch.labels


def test_it_is_refused_where_it_cannot_work():
    server = manipulations.build("fishing", {"target_class": 4})
    with pytest.raises(ConfigError, match="class 4, and 'tiny' has 4, counted from 0"):
        server.require(terms(a_task()))
    fine = manipulations.build("fishing", {"target_class": 1})
    fine.require(terms(a_task()))
    with pytest.raises(ConfigError, match="three classes or more"):
        fine.require(terms(a_task(classes=2)))
    with pytest.raises(ConfigError, match="does not end in one"):
        fine.require(terms(a_task(nn.Linear(12, 4, bias=False))))
    with pytest.raises(ConfigError, match="by 8 public examples at least, and the adversary holds 3"):
        manipulations.build("fishing", {"form": "feature"}).require(terms(a_task(), public=3))
