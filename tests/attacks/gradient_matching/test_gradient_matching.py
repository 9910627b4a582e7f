"""Gradient matching: it finds the data where it should."""

import math
from dataclasses import replace

import pytest
import torch

from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.randomness import generator


def psnr(guess: torch.Tensor, truth: torch.Tensor) -> float:
    return -10 * math.log10((guess - truth).square().mean().item() + 1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dlg", "idlg", "inverting-gradients"])
def test_one_image_is_found_on_a_smooth_network(name, smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 1)
    guess = attacks.build(name, {}).run(observe(smooth_task, batch), generator(0))
    assert psnr(guess.inputs, batch.inputs) > 30
    assert guess.labels.tolist() == batch.labels.tolist()


@pytest.mark.slow
def test_of_attempts_that_advance_together_one_that_succeeds_ends_the_others(smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 1)
    guess = attacks.build("dlg", {"restarts": 6, "steps": 3000}).run(observe(smooth_task, batch), generator(0))
    assert guess.failure is None
    assert guess.mismatch < 1e-6


@pytest.mark.slow
def test_signed_adam_finds_an_image_behind_relu(linear_task, observe, batch_of):
    batch = batch_of(linear_task, 1)
    attack = attacks.build("inverting-gradients", {"total_variation": 0.0})
    assert psnr(attack.run(observe(linear_task, batch), generator(0)).inputs, batch.inputs) > 30


@pytest.mark.slow
def test_noise_of_a_defense_is_not_matched_exactly(smooth_task, observe, batch_of):
    batch, noise = batch_of(smooth_task, 1), defenses.build("gaussian-noise", {"std": 1e-4})
    clear = observe(smooth_task, batch)
    noisy = replace(clear, update=noise.protect(clear.update, generator("noise")), defense=Chain((noise,)))
    auto, exact, robust = (
        attacks.build("inverting-gradients", {"optimiser": optimiser, "steps": 100}).run(noisy, generator(0))
        for optimiser in ("auto", "l-bfgs", "signed-adam")
    )
    assert exact.mismatch < robust.mismatch
    assert auto.mismatch == pytest.approx(robust.mismatch, rel=0.5)
