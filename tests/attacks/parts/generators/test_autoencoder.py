"""Decoder of an autoencoder of public images."""

import pytest
import torch

from fedleak.attacks.parts.generators.autoencoder import fit_autoencoder
from fedleak.learning.batch import Batch
from fedleak.randomness import generator


@pytest.mark.slow
def test_it_knows_no_classes_and_comes_near_to_public_images(linear_task, batch_of):
    public = batch_of(linear_task, 60)
    dark = Batch(0.2 * public.inputs, public.labels)
    space = fit_autoencoder(linear_task, dark, 4, 100, generator(0))
    other = fit_autoencoder(linear_task, Batch(dark.inputs, (dark.labels + 1) % 4), 4, 100, generator(0))
    latents = space.draw(50, generator(1))
    assert torch.equal(space.decode(latents), other.decode(latents))
    assert float(space.decode(latents).mean()) < 0.2  # as dark as they are, where it began in the middle
    assert space.dimensions == 4
    assert (space.scale > 0).all()
