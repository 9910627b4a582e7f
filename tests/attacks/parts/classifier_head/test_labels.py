"""The label identity, and what is made of it: bounds by signs, whole counts, the automatic choice."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from fedleak.attacks.parts.classifier_head.class_presence import Presence, presence
from fedleak.attacks.parts.classifier_head.gradient import find_head, head_gradient
from fedleak.attacks.parts.classifier_head.label_rule import as_labels, whole_counts
from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining
from fedleak.randomness import generator, seeded

TASKS = ["linear_task", "smooth_task"]


def recall(guess, truth, classes=4):
    counts = (torch.bincount(labels, minlength=classes) for labels in (guess, truth))
    return torch.minimum(*counts).sum().item() / len(truth)


def labels_by(rule, observation, **options):
    return attacks.build(rule, options).run(observation, generator(0)).labels


@pytest.mark.parametrize("fixture", TASKS)
def test_counts_are_examples_times_posterior_minus_bias_gradient(fixture, request, observe, batch_of):
    task = request.getfixturevalue(fixture)
    batch = batch_of(task, 9)
    observation = observe(task, batch)
    gradient = head_gradient(observation)
    posterior = task.logits(observation.before.clone(), batch.inputs).softmax(1).mean(0).double()
    counts = 9 * (posterior - gradient.bias)
    assert torch.allclose(counts, torch.bincount(batch.labels, minlength=4).double(), atol=1e-4)
    assert gradient.bias.sum().item() == pytest.approx(0.0, abs=1e-6)


def test_rows_of_a_gradient_sum_to_zero_and_what_is_left_is_the_noise(smooth_task, observe, batch_of, with_update):
    observation = observe(smooth_task, batch_of(smooth_task, 6))
    gradient = head_gradient(observation)
    assert gradient.noise() < 1e-6 < 1e-3 * gradient.weight.abs().max()
    vector = observation.update.vector()
    rough = with_update(observation, vector + 1e-3 * torch.randn(vector.shape, generator=generator("noise")))
    # Of a delta at learning rate 0.1: the gradient's noise is ten times as large.
    assert head_gradient(rough).noise() == pytest.approx(1e-2, rel=0.2)


@pytest.mark.parametrize("fixture", [*TASKS, "normalized_task"])
def test_the_sign_names_the_one_label(fixture, request, observe, batch_of):
    for seed in range(6):
        task = request.getfixturevalue(fixture)
        batch = batch_of(task, 1, seed)
        observation = observe(task, batch)
        for rule in ("bias-sign", "auto-labels"):
            assert labels_by(rule, observation).tolist() == batch.labels.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["batch-counts", "auto-labels"])
@pytest.mark.parametrize("fixture", TASKS)
@pytest.mark.parametrize("public", [0, 40])
def test_counts_of_a_batch(rule, fixture, public, request, observe, batch_of):
    task = request.getfixturevalue(fixture)
    for seed in range(5):
        batch = batch_of(task, 16, seed)
        observation = observe(task, batch).with_auxiliary(batch_of(task, public, 99) if public else None)
        assert recall(labels_by(rule, observation), batch.labels) == 1.0


def test_counts_of_several_local_steps(smooth_task, observe, batch_of):
    training = LocalTraining(batch_size=4, batches=4, epochs=2, learning_rate=0.05, momentum=0.5)
    batch = batch_of(smooth_task, 16)
    # The identity holds for one step; over several it is an estimate.
    assert recall(labels_by("auto-labels", observe(smooth_task, batch, training)), batch.labels) >= 0.8


def test_counts_of_a_cohort_that_reports_no_number(smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 8)
    observation = observe(smooth_task, batch)
    each = replace(observation.training, batch_size=4)
    of_two = replace(observation, cohort=(0, 1), num_examples=None, training=each)
    assert labels_by("auto-labels", of_two).tolist() == labels_by("auto-labels", observation).tolist()


def test_counts_when_the_learning_rate_is_unknown(smooth_task, observe, batch_of):
    images = batch_of(smooth_task, 9)
    batch = Batch(images.inputs, torch.tensor([0, 0, 0, 1, 1, 1, 1, 3, 3]))
    observation = observe(smooth_task, batch)
    blind = replace(observation, training=observation.training.hiding(("learning_rate",)))
    assert labels_by("auto-labels", blind).tolist() == batch.labels.tolist()


def test_signs_of_a_batch_name_only_classes_that_are_there(smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 6)
    guess = labels_by("bias-sign", observe(smooth_task, batch))
    assert set(guess.tolist()) <= set(batch.labels.tolist())
    assert len(set(guess.tolist())) == len(guess)


@pytest.mark.parametrize("steps", [1, 6])
def test_a_class_that_is_sure_is_there_in_trained_networks_and_after_many_steps(trained, steps, observe):
    for seed in range(8):
        task, batch_from = trained
        batch = batch_from(8, seed)
        training = LocalTraining(batch_size=8, epochs=steps, learning_rate=0.05)
        observation = observe(task, batch, training)
        known = presence(observation, head_gradient(observation))
        there = torch.bincount(batch.labels, minlength=4) > 0
        assert known.sure.any()
        assert not (known.sure & ~there).any()


def test_the_signs_tell_the_one_class_of_a_skewed_batch_on_a_trained_network(trained, observe):
    task, batch_from = trained
    for label in range(4):
        batch = batch_from(8, 1, only=label)
        assert labels_by("auto-labels", observe(task, batch)).tolist() == [label] * 8


def test_settled_counts_sum_up_within_the_bounds():
    known = Presence(sure=torch.tensor([True, False, True, False]), possible=torch.tensor([True, False, True, True]))
    for raw in ([0.0, 9.0, 0.0, 0.0], [3.2, -1.0, 1.1, 1.9], [float("nan")] * 4):
        counts = known.settle(torch.tensor(raw, dtype=torch.float64), 6)
        assert counts.sum() == 6
        assert counts[1] == 0
        assert counts[0] >= 1
        assert counts[2] >= 1
    assert known.nearest(torch.tensor([0.2, 3.0, 1.6, 0.4], dtype=torch.float64)).tolist() == [1, 0, 2, 0]


def test_noise_leaves_no_class_sure(smooth_task, observe, batch_of, with_update):
    observation = observe(smooth_task, batch_of(smooth_task, 6))
    vector = torch.randn(observation.update.vector().shape, generator=generator("noise"))
    noisy = replace(with_update(observation, vector), defense=Chain((defenses.build("gaussian-noise", {"std": 1.0}),)))
    assert presence(noisy, head_gradient(noisy)).sure.sum() <= 1
    assert len(labels_by("auto-labels", noisy)) == 6


def test_whole_counts_sum_up_and_are_never_negative():
    for raw in ([2.6, -0.4, 1.9], [0.0, 0.0, 0.0], [float("nan"), 5.0, float("inf")], [-1.0, -2.0, -3.0]):
        counts = whole_counts(torch.tensor(raw), 7)
        assert counts.sum() == 7
        assert counts.min() >= 0
    assert whole_counts(torch.tensor([2.6, 0.4, 1.0]), 4).tolist() == [3, 0, 1]
    assert as_labels(torch.tensor([2, 0, 1])).tolist() == [0, 0, 2]


@pytest.mark.parametrize("rule", ["bias-sign", "idlg-rows"])
def test_two_classes_and_a_head_without_bias_are_told_apart_by_features_that_are_never_negative(
    rule, observe, batch_of
):
    for seed in range(8):
        with seeded("two classes", seed):
            layers = (nn.Flatten(), nn.Linear(36, 24), nn.ReLU(), nn.Linear(24, 2, bias=False))
            task = Task("two", nn.Sequential(*layers), (1, 6, 6), 2)
        batch = batch_of(task, 1, seed)
        assert find_head(task).bias is None
        assert labels_by(rule, observe(task, batch)).tolist() == batch.labels.tolist()
