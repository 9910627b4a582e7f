"""The statistics of a client's batch come back out of the buffers that it sends."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from fedleak.attacks.parts.batch_norm_targets import inferred, steps_taken, target_statistics
from fedleak.errors import NotApplicable
from fedleak.gradients.batch_norm_statistics import Gauge, apart, relatively_apart, statistics
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining
from fedleak.randomness import generator, seeded


def seen(observation, inputs):
    """What the layers see when the model that was sent runs on some inputs."""
    gauge = Gauge.of(observation)
    gauge.task.logits(observation.before.clone(), inputs, mode="train")
    return gauge.read(torch.zeros(()))


@pytest.mark.parametrize("momentum", [0.1, 0.5, None])
def test_one_step_gives_the_batch_s_statistics_away(momentum, normalized_task, observe, batch_of):
    normalized_task.network[1].momentum = momentum
    batch = batch_of(normalized_task, 3)
    observation = observe(normalized_task, batch)
    found = inferred(observation, Gauge.of(observation))
    for told, true in zip(found, seen(observation, batch.inputs), strict=True):
        assert torch.allclose(told, true, atol=1e-5)


def test_several_steps_give_a_mean_that_weighs_later_steps_more(normalized_task, observe, batch_of):
    batch = batch_of(normalized_task, 2)
    once = observe(normalized_task, batch)
    # A rate near zero, so that the statistics of every step are those of the same weights.
    training = LocalTraining(batch_size=1, batches=2, epochs=1, learning_rate=1e-9)
    observation = observe(normalized_task, batch, training)
    gauge = Gauge.of(observation)
    assert steps_taken(observation, "1") == 2
    means = [seen(once, batch.inputs[i : i + 1])[0][0] for i in (0, 1)]
    (told,) = inferred(observation, gauge)
    orders = [(0.9 * one + other) / 1.9 for one, other in (means, reversed(means))]
    assert any(torch.allclose(told[0], mean, atol=1e-5) for mean in orders)
    target = target_statistics(observation, gauge, "auto")
    assert "mean over 2 local steps" in target.note


def test_what_the_gauge_shows_is_measured_by_hand(normalized_task, observe, batch_of):
    batch = batch_of(normalized_task, 3)
    observation = observe(normalized_task, batch)
    entering = torch.nn.functional.conv2d(
        batch.inputs, observation.before.parameters["0.weight"], observation.before.parameters["0.bias"], padding=1
    )
    (shown,) = seen(observation, batch.inputs)
    assert torch.allclose(shown[0], entering.mean((0, 2, 3)), atol=1e-6)
    assert torch.allclose(shown[1], entering.var((0, 2, 3), correction=0), atol=1e-6)


def test_the_client_s_network_is_left_alone(normalized_task, observe, batch_of):
    observation = observe(normalized_task, batch_of(normalized_task, 2))
    Gauge.of(observation)
    assert not normalized_task.network[1]._forward_pre_hooks


def test_without_buffers_the_model_s_own_statistics_stand_in(normalized_task, observe, batch_of):
    observation = observe(normalized_task, batch_of(normalized_task, 2))
    gauge = Gauge.of(observation)
    withheld = replace(observation, buffers_after=None)
    with pytest.raises(NotApplicable, match=r"not sent back, and .* born with"):
        target_statistics(withheld, gauge, "auto")
    with pytest.raises(NotApplicable, match=r"statistics of the batch are unknown: .* not sent back"):
        target_statistics(withheld, gauge, "inferred")
    trained = observation.before.clone()
    trained.buffers["1.running_mean"] += 0.5
    stand_in = target_statistics(replace(withheld, before=trained), gauge, "auto")
    assert "stood in" in stand_in.note
    assert torch.equal(stand_in.statistics[0][0], trained.buffers["1.running_mean"])


def test_eval_mode_and_broken_buffers_are_said(normalized_task, observe, batch_of):
    observation = observe(normalized_task, batch_of(normalized_task, 2))
    gauge = Gauge.of(observation)
    unmoved = replace(observation, buffers_after=observation.before.buffers)
    with pytest.raises(NotApplicable, match="unmoved"):
        target_statistics(unmoved, gauge, "inferred")
    broken = {name: value * float("nan") for name, value in observation.buffers_after.items() if "running" in name}
    with pytest.raises(NotApplicable, match="not finite"):
        inferred(replace(observation, buffers_after=observation.buffers_after | broken), gauge)
    uncounted = {name: value for name, value in observation.buffers_after.items() if "running" in name}
    blind = replace(observation, buffers_after=uncounted, training=observation.training.hiding(("batches",)))
    with pytest.raises(NotApplicable, match="unknown"):
        inferred(blind, gauge)


def test_layers_of_vectors_count_too(observe):
    with seeded("vectors"):
        network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 2))
    task = Task("vectors", network, (1, 2, 2), 2)
    value = torch.rand(5, 3, generator=generator("value"))
    assert torch.allclose(statistics(value)[1], value.var(0, correction=0))
    batch = Batch(torch.rand(5, 1, 2, 2, generator=generator("vectors")), torch.zeros(5, dtype=torch.int64))
    observation = observe(task, batch)
    told = inferred(observation, Gauge.of(observation))
    assert torch.allclose(told[0], seen(observation, batch.inputs)[0], atol=1e-5)


@pytest.mark.parametrize("penalty", [apart, relatively_apart])
def test_penalties_are_zero_at_the_target_alone(penalty):
    target = [torch.tensor([[1.0, 2.0], [0.5, 4.0]])]
    assert penalty(target)(target).item() == pytest.approx(0.0, abs=1e-5)
    assert penalty(target)([target[0] + 0.1]).item() > 1e-3
