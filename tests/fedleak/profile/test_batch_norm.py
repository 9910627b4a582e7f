"""BatchNorm's buffers give the batch's statistics after one step, and a mixture after several."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from fedleak.profile.batch_norm import batch_norm_leak, recover


@pytest.mark.parametrize("momentum", [0.1, 0.5, None])
def test_mean_and_variance_of_the_batch_are_recovered_after_one_step(momentum):
    layer = nn.BatchNorm2d(3, momentum=momentum).double().train()
    layer(torch.randn(5, 3, 4, 4, dtype=torch.float64))  # running statistics that are not the initial ones
    before = {f"bn.{name}": value.clone() for name, value in layer.named_buffers()}
    batch = 2 + 3 * torch.randn(7, 3, 4, 4, dtype=torch.float64)
    layer(batch)
    after = {f"bn.{name}": value.clone() for name, value in layer.named_buffers()}
    mean, variance = recover(before, after, "bn", momentum)
    torch.testing.assert_close(mean, batch.mean((0, 2, 3)))
    torch.testing.assert_close(variance, batch.var((0, 2, 3)))


def test_one_step_gives_the_batch_away(make_subject):
    found = batch_norm_leak(make_subject("batch-norm", 4))
    assert (found.leak, found.layers, found.numbers, found.steps) == ("exact", 1, 12, 1)
    assert found.error is not None
    assert found.error < 1e-5


def test_several_steps_give_a_mixture(make_subject):
    found = batch_norm_leak(make_subject("batch-norm", 6, batch_size=2, batches=3))
    assert (found.leak, found.steps, found.error) == ("mixed", 3, None)


def test_eval_mode_gives_nothing(make_subject):
    assert batch_norm_leak(make_subject("batch-norm", 4, mode="eval")).leak == "frozen"


def test_withheld_buffers_give_nothing(make_subject):
    subject = make_subject("batch-norm", 4)
    withheld = replace(subject, observation=replace(subject.observation, buffers_after=None))
    assert batch_norm_leak(withheld).leak == "withheld"


def test_a_network_without_it_has_none(make_subject):
    assert batch_norm_leak(make_subject("mlp", 4)).leak == "none"


def test_without_the_truth_the_leak_is_still_seen(make_subject):
    found = batch_norm_leak(make_subject("batch-norm", 4, truth=False))
    assert (found.leak, found.error) == ("exact", None)


def test_a_sum_over_clients_is_a_mixture(make_subject):
    subject = make_subject("batch-norm", 4)
    both = replace(subject, observation=replace(subject.observation, cohort=(0, 1)))
    assert batch_norm_leak(both).leak == "mixed"
