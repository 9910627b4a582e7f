"""Partial matching: which entries count, and that it finds an image."""

import math

import pytest

from fedleak.contracts.attack import attacks
from fedleak.randomness import generator


@pytest.mark.slow
@pytest.mark.parametrize("matched", [0.5, 1.0])
def test_one_image_is_found_behind_relu(matched, linear_task, observe, batch_of):
    batch = batch_of(linear_task, 1)
    attack = attacks.build("partial-matching", {"total_variation": 0.0, "matched": matched, "steps": 200})
    guess = attack.run(observe(linear_task, batch), generator(0))
    assert -10 * math.log10((guess.inputs - batch.inputs).square().mean().item()) > 25
