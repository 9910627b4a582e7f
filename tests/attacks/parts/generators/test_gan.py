"""GAN of public images."""

import pytest
import torch

from fedleak.attacks.parts.generators.gan import fit_gan
from fedleak.randomness import generator


@pytest.mark.slow
def test_its_images_come_nearer_to_public_ones_and_are_not_all_the_same(linear_task, batch_of):
    public = batch_of(linear_task, 60)
    bright = type(public)(0.6 + 0.4 * public.inputs, public.labels)

    def distance(steps: int) -> tuple[float, float]:
        space = fit_gan(linear_task, bright, 4, steps, generator(0))
        images = space.decode(space.draw(100, generator(1)))
        return float((images.mean(0) - bright.inputs.mean(0)).square().mean()), float(images.std(0).mean())

    (before, _), (after, spread) = distance(1), distance(150)
    assert after < before / 2
    assert spread > 1e-3


def test_the_same_dice_make_the_same_generator(linear_task, batch_of):
    one, other = (fit_gan(linear_task, batch_of(linear_task, 30), 4, 3, generator(5)) for _ in range(2))
    latents = one.draw(5, generator(2))
    assert torch.equal(one.decode(latents), other.decode(latents))
