"""GradInversion finds images, with and without BatchNorm, and says what it lacked."""

import math

import pytest
import torch

from fedleak.attacks.parts.optimizers.first_order import adam, langevin
from fedleak.contracts.attack import attacks
from fedleak.randomness import generator


def psnr(guess: torch.Tensor, truth: torch.Tensor) -> float:
    return -10 * math.log10((guess - truth).square().mean().item() + 1e-12)


@pytest.mark.slow
def test_an_image_is_found_without_batch_norm_and_the_note_says_so(smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 1)
    options = {"steps": 200, "restarts": 2, "total_variation": 0.0, "noise": 0.0}
    guess = attacks.build("grad-inversion", options).run(observe(smooth_task, batch), generator(0))
    assert psnr(guess.inputs, batch.inputs) > 20
    assert "no BatchNorm layer" in guess.note


@pytest.mark.parametrize("restarts", [1, 2])
def test_statistics_are_matched_where_they_are_known(restarts, normalized_task, observe, batch_of):
    observation = observe(normalized_task, batch_of(normalized_task, 2))
    guess = attacks.build("grad-inversion", {"steps": 5, "restarts": restarts}).run(observation, generator(0))
    assert guess.inputs.shape == (2, 1, 6, 6)
    assert guess.note is None
    assert guess.trace[-1].loss < guess.trace[0].loss


def test_langevin_noise_is_as_strong_as_asked_for_and_ends():
    start, asked = torch.zeros(20_000), []
    way = langevin(adam(0.0), 0.5, generator("noise"))(start.clone(), 4)
    _, point = next(way)
    for _ in range(3):
        _, point = way.send((torch.zeros(()), torch.zeros(20_000)))
        asked.append(point.clone())
    assert asked[0].std().item() == pytest.approx(0.5 * 0.8536, rel=0.05)
    assert (asked[2] - asked[1]).std().item() < 0.2
    with pytest.raises(StopIteration):
        way.send((torch.zeros(()), torch.zeros(20_000)))
