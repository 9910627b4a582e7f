"""CPL: patterned starts, and what the label term does."""

import math

import pytest
import torch

from fedleak.attacks.gradient_matching.cpl import patterned
from fedleak.contracts.attack import attacks
from fedleak.learning.space import Images
from fedleak.randomness import generator


def test_one_image_is_found_on_a_smooth_network(smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 1)
    guess = attacks.build("cpl", {}).run(observe(smooth_task, batch), generator(0))
    assert -10 * math.log10((guess.inputs - batch.inputs).square().mean().item()) > 25


@pytest.mark.slow
def test_the_label_term_leads_away_from_the_truth(smooth_task, observe, batch_of):
    batch = batch_of(smooth_task, 1)
    errors = [
        (
            attacks.build("cpl", {"task_loss": weight, "steps": 40})
            .run(observe(smooth_task, batch), generator(0))
            .inputs
            - batch.inputs
        ).square()
        for weight in (0.0, 1.0)
    ]
    assert errors[0].mean() < errors[1].mean()


def test_a_pattern_repeats_also_in_odd_sizes():
    images = patterned(2, Images(3, 5, 7), generator(0))
    assert images.shape == (2, 3, 5, 7)
    assert torch.equal(images[..., :2, :], images[..., 3:, :])
    assert torch.equal(images[..., :3], images[..., 4:])
    assert not torch.equal(images[0], images[1])
