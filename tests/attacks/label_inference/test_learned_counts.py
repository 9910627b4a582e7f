"""Counts that were rehearsed on public examples."""

from dataclasses import replace

import pytest
import torch

from fedleak.attacks.parts.classifier_head.count_regression import Circumstances, Linear, Trees, best_counter
from fedleak.attacks.parts.classifier_head.gradient import head_gradient
from fedleak.attacks.parts.classifier_head.outputs import view
from fedleak.attacks.parts.classifier_head.posteriors import residuals
from fedleak.attacks.parts.classifier_head.simulated_batches import Lens, draws
from fedleak.contracts.attack import attacks
from fedleak.learning.batch import Batch
from fedleak.randomness import generator

SAME = Circumstances(floor=0.0, examples=8)


def recall(guess, truth, classes=4):
    counts = (torch.bincount(labels, minlength=classes) for labels in (guess, truth))
    return torch.minimum(*counts).sum().item() / len(truth)


def lens_and_sketches(observation, public):
    seen = view(observation, public.inputs)
    lens = Lens.on(seen.features, public.labels, head_gradient(observation))
    return lens, lens.examples(residuals(seen.posteriors, public.labels), seen.features)


@pytest.mark.parametrize("fixture", ["linear_task", "smooth_task"])
def test_a_rehearsed_batch_looks_as_if_it_had_been_observed(fixture, request, observe, batch_of):
    task = request.getfixturevalue(fixture)
    batch = batch_of(task, 6)
    observation = observe(task, batch)
    lens, single = lens_and_sketches(observation, batch)
    rehearsed = single.mixed(torch.ones(1, 6, dtype=torch.float64))
    observed = lens.batch(head_gradient(observation), 6)
    assert torch.allclose(rehearsed.bias, observed.bias, atol=1e-4)
    assert torch.allclose(rehearsed.columns, observed.columns, atol=1e-4)


def test_batches_are_drawn_with_the_classes_that_they_say():
    labels = torch.tensor([0, 0, 1, 3, 3, 3])
    drawn = draws(labels, 4, 7, 50, generator("draws"))
    assert (drawn.shares.sum(1) == 7).all()
    assert (drawn.counts[:, 2] == 0).all()
    for one in range(4):
        assert torch.equal(drawn.shares[:, labels == one].sum(1), drawn.counts[:, one])


def test_a_linear_rule_is_enough_where_examples_fare_alike(smooth_task, observe, batch_of):
    observation, public = observe(smooth_task, batch_of(smooth_task, 8)), batch_of(smooth_task, 40, 9)
    _, single = lens_and_sketches(observation, public)
    drawn = draws(public.labels, 4, 8, 300, generator("draws"))
    assert isinstance(best_counter(single.mixed(drawn.shares), drawn.counts / 8, SAME, generator("fit")), Linear)


@pytest.mark.slow
def test_on_a_trained_network_trees_do_better_and_skewed_batches_are_seen(trained, observe):
    task, batch_from = trained
    public = batch_from(120, "public")
    rule, prior = attacks.build("learned-counts", {"batches": 800}), attacks.build("prior", {})
    found = {"learned": [], "prior": []}
    for seed in range(6):
        batch = batch_from(8, seed, only=seed % 4 if seed > 2 else None)
        observation = observe(task, batch).with_auxiliary(public)
        for name, attack in (("learned", rule), ("prior", prior)):
            found[name].append(recall(attack.run(observation, generator(seed)).labels, batch.labels))
    assert sum(found["learned"]) > sum(found["prior"])
    _, single = lens_and_sketches(observation, public)
    drawn = draws(public.labels, 4, 8, 800, generator("draws"))
    assert isinstance(best_counter(single.mixed(drawn.shares), drawn.counts / 8, SAME, generator("fit")), Trees)


@pytest.mark.slow
def test_it_counts_when_the_gradient_s_length_is_unknown(trained, observe, with_update):
    task, batch_from = trained
    observation = observe(task, batch_from(8, 3)).with_auxiliary(batch_from(60, "public"))
    blind = replace(observation, training=observation.training.hiding(("learning_rate",)))
    longer = with_update(blind, 2.0 * blind.update.vector())
    rule = attacks.build("learned-counts", {"batches": 300})
    one, two = (rule.infer(held, generator(0)).tolist() for held in (blind, longer))
    assert one == two
    assert len(one) == 8


def test_classes_that_no_public_example_has_are_no_trouble(linear_task, observe, batch_of):
    public = batch_of(linear_task, 20, 9)
    some = Batch(public.inputs, public.labels % 2)
    observation = observe(linear_task, batch_of(linear_task, 6)).with_auxiliary(some)
    assert len(attacks.build("learned-counts", {"batches": 200}).infer(observation, generator(0))) == 6


@pytest.mark.parametrize("fixture", ["linear_task", "normalized_task"])
def test_one_public_example_is_no_trouble(fixture, request, observe, batch_of):
    task = request.getfixturevalue(fixture)
    observation = observe(task, batch_of(task, 6)).with_auxiliary(batch_of(task, 1, 9))
    assert len(attacks.build("learned-counts", {"batches": 200}).infer(observation, generator(0))) == 6
