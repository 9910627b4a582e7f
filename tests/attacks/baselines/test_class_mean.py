"""Guessing the mean of a class: what labels give away of images."""

import torch

from fedleak.contracts.attack import attacks
from fedleak.learning.batch import Batch
from fedleak.randomness import generator


def guess(observation):
    return attacks.build("class-mean", {}).run(observation, generator("class mean"))


def test_of_one_example_it_is_the_mean_of_its_class(linear_task, observe, batch_of):
    public, truth = batch_of(linear_task, 50, seed=1), batch_of(linear_task, 1)
    made = guess(observe(linear_task, truth).with_auxiliary(public))
    mean = public.inputs[public.labels == truth.labels].mean(0, keepdim=True)
    assert torch.allclose(made.inputs, mean)
    assert made.labels is None  # what it knows of labels it has from the update


def test_a_class_without_public_examples_gets_the_mean_of_all(linear_task, observe, batch_of):
    public, truth = batch_of(linear_task, 50, seed=1), batch_of(linear_task, 1)
    others = Batch(public.inputs[public.labels != truth.labels], public.labels[public.labels != truth.labels])
    made = guess(observe(linear_task, truth).with_auxiliary(others))
    assert torch.allclose(made.inputs[0], others.inputs.mean(0))


def test_without_public_data_there_is_no_guess(linear_task, observe, batch_of):
    assert "no public examples" in guess(observe(linear_task, batch_of(linear_task, 2))).failure
