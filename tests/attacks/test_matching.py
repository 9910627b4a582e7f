"""Gradient matching: what the loop keeps, and that it finds the data where it should."""

import math
from dataclasses import replace

import pytest
import torch

from fedleak.attack import attacks
from fedleak.attacks.parts import distances
from fedleak.attacks.parts.lbfgs import lbfgs
from fedleak.attacks.parts.matching import Matching
from fedleak.attacks.parts.objective import Objective, mode_of
from fedleak.attacks.parts.optimisers import signed_adam
from fedleak.attacks.parts.priors import total_variation
from fedleak.attacks.parts.smoothness import is_smooth
from fedleak.attacks.parts.starts import grey
from fedleak.defense import defenses
from fedleak.progress import listening
from fedleak.randomness import generator


def psnr(guess: torch.Tensor, truth: torch.Tensor) -> float:
    return -10 * math.log10((guess - truth).square().mean().item() + 1e-12)


@pytest.mark.parametrize("name", ["dlg", "idlg", "inverting-gradients"])
def test_one_image_is_found_on_a_smooth_network(name, smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 1)
    guess = attacks.build(name, {}).reconstruct(observe(smooth_task, batch), generator(0))
    assert psnr(guess.inputs, batch.inputs) > 30
    assert guess.labels.tolist() == batch.labels.tolist()


def test_signed_adam_finds_an_image_behind_relu(linear_task, observe, batch_of):
    batch = batch_of(linear_task, 1)
    attack = attacks.build("inverting-gradients", {"total_variation": 0.0})
    assert psnr(attack.reconstruct(observe(linear_task, batch), generator(0)).inputs, batch.inputs) > 30


def test_noise_of_a_defense_is_not_matched_exactly(smooth_task, observe, batch_of):
    batch, noise = batch_of(smooth_task, 1), defenses.build("gaussian-noise", {"std": 1e-4})
    clear = observe(smooth_task, batch)
    noisy = replace(clear, update=noise.protect(clear.update, generator("noise")), defense=(noise,))
    auto, exact, robust = (
        attacks.build("inverting-gradients", {"optimiser": optimiser, "steps": 100}).reconstruct(noisy, generator(0))
        for optimiser in ("auto", "l-bfgs", "signed-adam")
    )
    assert exact.mismatch < robust.mismatch
    assert auto.mismatch == pytest.approx(robust.mismatch, rel=0.5)


@pytest.mark.parametrize("distance", [distances.squared, distances.cosine, distances.squared_up_to_length])
def test_the_truth_is_at_distance_zero(distance, smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 2)
    objective = Objective(observe(smooth_task, batch), distance, dtype=torch.float64)
    assert abs(objective(batch.inputs.double(), batch.labels).item()) < 1e-9
    assert objective(1 - batch.inputs.double(), batch.labels).item() > 1e-6


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
    point = torch.tensor([-1.2, 1.0], dtype=torch.float64, requires_grad=True)

    def evaluate() -> torch.Tensor:
        loss = (1 - point[0]) ** 2 + 100 * (point[1] - point[0] ** 2) ** 2
        (point.grad,) = torch.autograd.grad(loss, point)
        return loss.detach()

    for _ in lbfgs(magnification=1.0)([point], evaluate, 100):
        pass
    assert torch.allclose(point.detach(), torch.ones(2, dtype=torch.float64), atol=1e-6)


def test_the_lowest_loss_is_kept_and_told(smooth_task, observe, batch_of):
    batch, told = batch_of(smooth_task, 1), []
    observation = observe(smooth_task, batch)
    matching = Matching(distance=distances.cosine, optimiser=signed_adam(0.3), steps=40)
    with listening(lambda done, total: told.append((done, total))):
        guess = matching.run(observation, grey(1, smooth_task.shape, generator(0)), batch.labels, generator(0))
    assert guess.mismatch == pytest.approx(min(point.loss for point in guess.trace), rel=1e-5)
    assert told[-1] == (40, 40)
    assert len(guess.snapshots) == 11
    assert guess.snapshots[-1].iteration == 40


def test_divergence_keeps_the_best_so_far_and_says_so(smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 1)

    def explode(variables, evaluate, steps):
        evaluate()
        yield 1
        variables[0].data.mul_(float("nan"))
        evaluate()
        yield 2

    matching = Matching(distance=distances.cosine, optimiser=explode, steps=2)
    guess = matching.run(observe(smooth_task, batch), batch.inputs, batch.labels, generator(0))
    assert torch.equal(guess.inputs, batch.inputs)
    assert "diverged after 2 of 2" in guess.note


def test_a_network_that_cannot_run_on_the_batch_is_a_reason(normalised_task, observe, batch_of):
    observation = observe(normalised_task, batch_of(normalised_task, 2))
    matching = Matching(distance=distances.cosine, optimiser=signed_adam(0.1), steps=2)
    guess = matching.run(observation, torch.rand(1, 1, 5, 5), torch.tensor([0]), generator(0))
    assert "does not run on a dummy batch of 1" in guess.failure


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
