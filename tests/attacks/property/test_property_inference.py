"""Property inference finds what most images have in common, and needs public examples to."""

from dataclasses import replace

import pytest
import torch

from fedleak.contracts.attack import attacks
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.learning.batch import Batch
from fedleak.randomness import generator


def infer(name, observation, **options) -> Reconstruction:
    return attacks.build(name, options).run(observation, generator(0))


@pytest.mark.slow
def test_properties_are_read_off_single_images(linear_task, observe):
    """A perceptron's gradient of one class holds the image, so which half is brighter is there to be found."""
    rng = generator("halves")
    images = torch.rand(252, 1, 6, 6, generator=rng)
    images[::2, :, :3] += 0.5
    images[1::2, :, 3:] += 0.5
    public = Batch((images / 1.5)[:240], torch.zeros(240, dtype=torch.int64))
    right = []
    for place in range(240, 252):
        one = Batch((images / 1.5)[place : place + 1], torch.tensor([0]))
        answers = infer("property-inference", replace(observe(linear_task, one), auxiliary=public)).properties
        assert bool(answers[0].isnan())  # no color, no warmth
        right.append((float(answers[1]) > 0.5) == (place % 2 == 0))
    assert sum(right) >= 11


def test_properties_need_a_batch_of_public_examples(linear_task, observe, batch_of):
    observation = observe(linear_task, batch_of(linear_task, 4))
    assert "4 public examples, a batch, and there are 0" in infer("property-inference", observation).failure
    few = replace(observation, auxiliary=batch_of(linear_task, 3))
    assert "there are 3" in infer("property-inference", few).failure
