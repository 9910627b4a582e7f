"""The optimization loop: the lowest loss is kept, starts advance alone or together, and failures are reasons."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fedleak.attacks.parts.engine import distances
from fedleak.attacks.parts.engine.gradient_match import GradientMatch, pixels
from fedleak.attacks.parts.engine.loop import Matching
from fedleak.attacks.parts.optimizers.first_order import signed_adam
from fedleak.attacks.parts.optimizers.lbfgs import lbfgs
from fedleak.learning.task import Task
from fedleak.progress import listening
from fedleak.randomness import generator, seeded


def match_of(observation, labels, distance=distances.cosine, **options):
    return GradientMatch.of(observation, distance, pixels(labels), **options)


def starts_of(task, count=1, examples=1):
    return [{"inputs": task.space.start(examples, generator("start", number))} for number in range(count)]


def test_the_lowest_loss_is_kept_and_told(smooth_task, observe, batch_of):
    batch, told = batch_of(smooth_task, 1), []
    objective = match_of(observe(smooth_task, batch), batch.labels)
    with listening(lambda done, total: told.append((done, total))):
        guess = Matching(optimizer=signed_adam(0.3), steps=40).run(objective, starts_of(smooth_task), generator(0))
    assert guess.mismatch == pytest.approx(min(point.loss for point in guess.trace), rel=1e-5)
    assert told[-1] == (40, 40)
    assert len(guess.snapshots) == 11
    assert guess.snapshots[-1].iteration == 40


@pytest.mark.slow
@pytest.mark.parametrize("optimiser", [signed_adam(0.1), lbfgs()])
def test_starts_that_advance_together_go_where_each_goes_alone(optimiser, smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 2)
    objective = match_of(observe(smooth_task, batch), batch.labels, dtype=torch.float64, box=False)
    engine = Matching(optimizer=optimiser, steps=12)
    starts = [{"inputs": start["inputs"].double()} for start in starts_of(smooth_task, 5, examples=2)]
    alone = min((engine.run(objective, [start], generator(0)) for start in starts), key=lambda one: one.mismatch)
    best = engine.run(objective, starts, generator(0))
    assert best.mismatch == pytest.approx(alone.mismatch, rel=1e-6)
    assert torch.allclose(best.inputs, alone.inputs, atol=1e-5)


def test_an_attempt_that_found_the_data_is_the_last(smooth_task, observe, batch_of):
    batch, told = batch_of(smooth_task, 1), []
    objective = match_of(observe(smooth_task, batch), batch.labels)
    engine = Matching(optimizer=signed_adam(0.1), steps=4, success=2.0)
    with listening(lambda done, total: told.append((done, total))):
        engine.run(objective, starts_of(smooth_task, 3), generator(0))
    assert [done for done, _ in told] == [1, 2, 3, 4, 12]


def test_a_unit_scales_a_variable_s_steps(smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 1)
    start = starts_of(smooth_task)[0]["inputs"]
    moved = []
    for unit in (1.0, 0.1):
        objective = match_of(observe(smooth_task, batch), batch.labels, units={"inputs": unit}, box=False)
        guess = Matching(optimizer=signed_adam(0.01), steps=2).run(objective, [{"inputs": start}], generator(0))
        moved.append((guess.inputs - start.clamp(0, 1)).abs().max().item())
    assert moved[1] == pytest.approx(0.1 * moved[0], rel=0.05)


def test_divergence_keeps_the_best_so_far_and_says_so(smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 1)

    def explode(point, steps):
        yield 0, point
        yield 1, point * float("nan")

    objective = match_of(observe(smooth_task, batch), batch.labels)
    guess = Matching(optimizer=explode, steps=2).run(objective, [{"inputs": batch.inputs}], generator(0))
    assert torch.equal(guess.inputs, batch.inputs)
    assert "diverged after 1 of 2" in guess.note


def test_a_network_that_cannot_run_on_the_batch_is_a_reason(normalized_task, observe, batch_of):
    observation = observe(normalized_task, batch_of(normalized_task, 2))
    objective = match_of(observation, torch.tensor([0]))
    start = {"inputs": torch.rand(1, 1, 5, 5)}
    guess = Matching(optimizer=signed_adam(0.1), steps=2).run(objective, [start], generator(0))
    assert "cannot be computed" in guess.failure


def test_a_network_that_keeps_state_is_matched_one_start_at_a_time_and_not_compiled(normalized_task, observe, batch_of):
    batch = batch_of(normalized_task, 3)
    objective = match_of(observe(normalized_task, batch), batch.labels)
    assert not objective.vectorizes
    guess = Matching(optimizer=signed_adam(0.1), steps=2).run(
        objective, starts_of(normalized_task, 5, examples=3), generator(0)
    )
    assert math.isfinite(guess.mismatch)
    refused = Matching(optimizer=signed_adam(0.1), steps=2, compiled=True)
    assert "cannot be compiled" in refused.run(objective, starts_of(normalized_task), generator(0)).failure


class Attending(nn.Module):
    """Attention by torch's fused kernel between the rows of an image, four classes."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(36, 4)

    def forward(self, images):
        rows = images.sigmoid()
        return self.head(F.scaled_dot_product_attention(rows, rows, rows).flatten(1))


def test_attention_is_differentiated_twice(observe, batch_of):
    with seeded("attending"):
        task = Task("attending", Attending(), (1, 6, 6), 4)
    batch = batch_of(task, 2)
    objective = match_of(observe(task, batch), batch.labels)
    starts = starts_of(task, 1, 2)
    guess = Matching(optimizer=signed_adam(0.1), steps=20).run(objective, starts, generator(0))
    assert guess.failure is None
    assert guess.trace[-1].loss < guess.trace[0].loss
