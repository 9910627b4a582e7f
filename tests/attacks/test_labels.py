"""The label identity and the rules built on it."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from fedleak.attack import attacks
from fedleak.attacks.parts.head import find_head, head_gradient
from fedleak.attacks.parts.labels import as_labels, infer_labels, whole_counts
from fedleak.batch import Batch
from fedleak.randomness import generator, global_dice
from fedleak.task import Task
from fedleak.training import LocalTraining

TASKS = ["linear_task", "smooth_task"]


def recall(guess: torch.Tensor, truth: torch.Tensor, classes: int = 4) -> float:
    counts = (torch.bincount(labels, minlength=classes) for labels in (guess, truth))
    return torch.minimum(*counts).sum().item() / len(truth)


@pytest.mark.parametrize("fixture", TASKS)
def test_counts_are_examples_times_posterior_minus_bias_gradient(fixture, request, observe, batch_of):
    task = request.getfixturevalue(fixture)
    batch = batch_of(task, 9)
    observation = observe(task, batch)
    gradient = head_gradient(observation, find_head(task))
    posterior = task.logits(observation.before.clone(), batch.inputs).softmax(1).mean(0).double()
    counts = 9 * (posterior - gradient.bias)
    assert torch.allclose(counts, torch.bincount(batch.labels, minlength=4).double(), atol=1e-4)
    assert gradient.bias.sum().item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("fixture", [*TASKS, "normalised_task"])
@pytest.mark.parametrize("seed", range(6))
def test_the_sign_names_the_one_label(fixture, seed, request, observe, batch_of):
    task = request.getfixturevalue(fixture)
    batch = batch_of(task, 1, seed)
    observation = observe(task, batch)
    assert (
        attacks.build("bias-sign", {}).reconstruct(observation, generator(0)).labels.tolist() == batch.labels.tolist()
    )
    assert infer_labels(observation).tolist() == batch.labels.tolist()


@pytest.mark.parametrize("fixture", TASKS)
@pytest.mark.parametrize("public", [0, 40])
def test_counts_of_a_batch(fixture, public, request, observe, batch_of):
    task = request.getfixturevalue(fixture)
    for seed in range(5):
        batch = batch_of(task, 16, seed)
        observation = observe(task, batch).with_auxiliary(batch_of(task, public, 99) if public else None)
        guess = attacks.build("batch-counts", {}).reconstruct(observation, generator(0)).labels
        assert recall(guess, batch.labels) == 1.0


def test_counts_of_several_local_steps(smooth_task, observe, batch_of):
    training = LocalTraining(batch_size=4, batches=4, epochs=2, learning_rate=0.05, momentum=0.5)
    batch = batch_of(smooth_task, 16)
    # The identity holds for one step; over several it is an estimate.
    assert recall(infer_labels(observe(smooth_task, batch, training)), batch.labels) >= 0.8


def test_counts_of_a_cohort_that_reports_no_number(smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 8)
    observation = observe(smooth_task, batch)
    each = replace(observation.training, batch_size=4)
    of_two = replace(observation, cohort=(0, 1), num_examples=None, training=each)
    assert infer_labels(of_two).tolist() == infer_labels(observation).tolist()


def test_counts_when_the_learning_rate_is_unknown(smooth_task, observe, batch_of):
    images = batch_of(smooth_task, 9)
    batch = Batch(images.inputs, torch.tensor([0, 0, 0, 1, 1, 1, 1, 3, 3]))
    observation = observe(smooth_task, batch)
    blind = replace(observation, training=observation.training.hiding(("learning_rate",)))
    assert infer_labels(blind).tolist() == batch.labels.tolist()


def test_signs_of_a_batch_name_only_classes_that_are_there(smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 6)
    guess = attacks.build("bias-sign", {}).reconstruct(observe(smooth_task, batch), generator(0)).labels
    assert set(guess.tolist()) <= set(batch.labels.tolist())
    assert len(set(guess.tolist())) == len(guess)


def test_whole_counts_sum_up_and_are_never_negative():
    for raw in ([2.6, -0.4, 1.9], [0.0, 0.0, 0.0], [float("nan"), 5.0, float("inf")], [-1.0, -2.0, -3.0]):
        counts = whole_counts(torch.tensor(raw), 7)
        assert counts.sum() == 7
        assert counts.min() >= 0
    assert whole_counts(torch.tensor([2.6, 0.4, 1.0]), 4).tolist() == [3, 0, 1]
    assert as_labels(torch.tensor([2, 0, 1])).tolist() == [0, 0, 2]


@pytest.mark.parametrize("seed", range(8))
def test_two_classes_and_a_head_without_bias_are_told_apart_by_features_that_are_never_negative(
    observe, batch_of, seed
):
    with global_dice("two classes", seed):
        layers = (nn.Flatten(), nn.Linear(36, 24), nn.ReLU(), nn.Linear(24, 2, bias=False))
        task = Task("two", nn.Sequential(*layers), (1, 6, 6), 2)
    batch = batch_of(task, 1, seed)
    assert infer_labels(observe(task, batch), "bias-sign").tolist() == batch.labels.tolist()
