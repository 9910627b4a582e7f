"""Gradient matching: what the loop keeps, and that it finds the data where it should."""

import contextlib
import math
from dataclasses import replace

import pytest
import torch

from fedleak.attacks.parts.applicability import mode_of
from fedleak.attacks.parts.engine import distances
from fedleak.attacks.parts.engine.gradient_match import GradientMatch, pixels
from fedleak.attacks.parts.engine.initialization import gray
from fedleak.attacks.parts.engine.loop import Matching
from fedleak.attacks.parts.engine.objective import by_autograd, by_function
from fedleak.attacks.parts.engine.public_model import is_smooth
from fedleak.attacks.parts.engine.regularizers import total_variation
from fedleak.attacks.parts.optimizers.first_order import signed_adam
from fedleak.attacks.parts.optimizers.lbfgs import lbfgs
from fedleak.contracts.attack import attacks
from fedleak.contracts.defense import defenses
from fedleak.progress import listening
from fedleak.randomness import generator


def match_of(observation, labels, distance=distances.cosine, **options):
    return GradientMatch.of(observation, distance, pixels(labels), **options)


def starts_of(task, count=1, examples=1):
    return [{"inputs": gray(examples, task.shape, generator("start", number))} for number in range(count)]


def psnr(guess: torch.Tensor, truth: torch.Tensor) -> float:
    return -10 * math.log10((guess - truth).square().mean().item() + 1e-12)


@pytest.mark.parametrize("name", ["dlg", "idlg", "inverting-gradients"])
def test_one_image_is_found_on_a_smooth_network(name, smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 1)
    guess = attacks.build(name, {}).run(observe(smooth_task, batch), generator(0))
    assert psnr(guess.inputs, batch.inputs) > 30
    assert guess.labels.tolist() == batch.labels.tolist()


def test_of_attempts_that_advance_together_one_that_succeeds_ends_the_others(smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 1)
    guess = attacks.build("dlg", {"restarts": 6, "steps": 3000}).run(observe(smooth_task, batch), generator(0))
    assert guess.failure is None
    assert guess.mismatch < 1e-6


def test_signed_adam_finds_an_image_behind_relu(linear_task, observe, batch_of):
    batch = batch_of(linear_task, 1)
    attack = attacks.build("inverting-gradients", {"total_variation": 0.0})
    assert psnr(attack.run(observe(linear_task, batch), generator(0)).inputs, batch.inputs) > 30


def test_noise_of_a_defense_is_not_matched_exactly(smooth_task, observe, batch_of):
    batch, noise = batch_of(smooth_task, 1), defenses.build("gaussian-noise", {"std": 1e-4})
    clear = observe(smooth_task, batch)
    noisy = replace(clear, update=noise.protect(clear.update, generator("noise")), defense=(noise,))
    auto, exact, robust = (
        attacks.build("inverting-gradients", {"optimiser": optimiser, "steps": 100}).run(noisy, generator(0))
        for optimiser in ("auto", "l-bfgs", "signed-adam")
    )
    assert exact.mismatch < robust.mismatch
    assert auto.mismatch == pytest.approx(robust.mismatch, rel=0.5)


@pytest.mark.parametrize("distance", [distances.squared, distances.cosine, distances.squared_up_to_length])
def test_the_truth_is_at_distance_zero(distance, smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 2)
    objective = match_of(observe(smooth_task, batch), batch.labels, distance, dtype=torch.float64)
    assert abs(objective.loss({"inputs": batch.inputs.double()}, by_autograd).item()) < 1e-9
    assert objective.loss({"inputs": 1 - batch.inputs.double()}, by_autograd).item() > 1e-6


def test_distances_up_to_length_do_not_see_length():
    observed = [torch.tensor([3.0, 4.0]), torch.tensor([[1.0]])]
    doubled = [2 * tensor for tensor in observed]
    assert distances.squared(observed)(doubled).item() == pytest.approx(1.0)
    assert distances.cosine(observed)(doubled).item() == pytest.approx(0.0, abs=1e-6)
    assert distances.squared_up_to_length(observed)(doubled).item() == pytest.approx(0.0, abs=1e-6)


def test_total_variation_of_a_ramp():
    ramp = torch.arange(4.0).expand(1, 1, 4, 4)
    assert total_variation(ramp).item() == pytest.approx(1.0)


def test_lbfgs_solves_rosenbrock():
    way = lbfgs(magnification=1.0)(torch.tensor([-1.2, 1.0], dtype=torch.float64), 100)
    _, asked = next(way)
    with contextlib.suppress(StopIteration):
        while True:
            point = asked.detach().requires_grad_()
            loss = (1 - point[0]) ** 2 + 100 * (point[1] - point[0] ** 2) ** 2
            _, asked = way.send((loss.detach(), *torch.autograd.grad(loss, point)))
    assert torch.allclose(point.detach(), torch.ones(2, dtype=torch.float64), atol=1e-6)


def test_the_lowest_loss_is_kept_and_told(smooth_task, observe, batch_of):
    batch, told = batch_of(smooth_task, 1), []
    objective = match_of(observe(smooth_task, batch), batch.labels)
    with listening(lambda done, total: told.append((done, total))):
        guess = Matching(optimizer=signed_adam(0.3), steps=40).run(objective, starts_of(smooth_task), generator(0))
    assert guess.mismatch == pytest.approx(min(point.loss for point in guess.trace), rel=1e-5)
    assert told[-1] == (40, 40)
    assert len(guess.snapshots) == 11
    assert guess.snapshots[-1].iteration == 40


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


def test_both_ways_to_differentiate_agree(smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 2)
    objective = match_of(observe(smooth_task, batch), None, dtype=torch.float64)
    variables = {"inputs": batch.inputs.double(), "labels": torch.zeros(2, 4, dtype=torch.float64)}
    one, other = (objective.loss(variables, way).item() for way in (by_autograd, by_function))
    assert one == pytest.approx(other, rel=1e-10)


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


def test_a_network_that_cannot_run_on_the_batch_is_a_reason(normalised_task, observe, batch_of):
    observation = observe(normalised_task, batch_of(normalised_task, 2))
    objective = match_of(observation, torch.tensor([0]))
    start = {"inputs": torch.rand(1, 1, 5, 5)}
    guess = Matching(optimizer=signed_adam(0.1), steps=2).run(objective, [start], generator(0))
    assert "cannot be computed" in guess.failure


def test_a_network_that_keeps_state_is_matched_one_start_at_a_time_and_not_compiled(normalised_task, observe, batch_of):
    batch = batch_of(normalised_task, 3)
    objective = match_of(observe(normalised_task, batch), batch.labels)
    assert not objective.vectorizes
    guess = Matching(optimizer=signed_adam(0.1), steps=2).run(
        objective, starts_of(normalised_task, 5, examples=3), generator(0)
    )
    assert math.isfinite(guess.mismatch)
    refused = Matching(optimizer=signed_adam(0.1), steps=2, compiled=True)
    assert "cannot be compiled" in refused.run(objective, starts_of(normalised_task), generator(0)).failure


def test_the_mode_is_told_by_the_buffers(normalised_task, observe, batch_of):
    observation = observe(normalised_task, batch_of(normalised_task, 4))
    blind = replace(observation, training=observation.training.hiding(("mode",)))
    assert mode_of(blind) == "train"
    assert mode_of(replace(blind, buffers_after=blind.before.buffers)) == "eval"
    assert mode_of(replace(blind, buffers_after=None)) == "train"


def test_smooth_networks_are_told_from_kinked_ones(linear_task, smooth_task, normalised_task):
    assert is_smooth(smooth_task.network)
    assert not is_smooth(linear_task.network)
    assert not is_smooth(normalised_task.network)
