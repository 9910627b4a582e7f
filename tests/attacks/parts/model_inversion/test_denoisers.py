"""Denoisers of images."""

import torch

from fedleak.attacks.parts.model_inversion.denoisers import component_denoiser, filtered, unchanged
from fedleak.learning.batch import Batch
from fedleak.randomness import generator


def images(count=20):
    return torch.rand(count, 1, 6, 6, generator=generator("images", count))


def test_filters_leave_a_flat_image_and_remove_a_single_bright_pixel():
    flat = torch.full((1, 2, 6, 6), 0.3)
    spotted = flat.clone()
    spotted[0, 1, 2, 3] = 1.0
    assert torch.allclose(filtered(flat), flat)
    assert torch.allclose(filtered(spotted), flat)


def test_filters_keep_channels_apart():
    both = torch.cat([images(1), images(2)[1:]], 1)
    assert torch.equal(filtered(both)[:, :1], filtered(both[:, :1]))


def test_projecting_twice_is_projecting_once_and_keeps_what_the_components_span():
    public = images()
    denoised = component_denoiser(Batch(public, torch.zeros(20, dtype=torch.int64)), 5)
    once = denoised(images(3))
    assert torch.allclose(denoised(once), once, atol=1e-5)
    everything = component_denoiser(Batch(public, torch.zeros(20, dtype=torch.int64)), 19)
    assert torch.allclose(everything(public), public, atol=1e-5)


def test_no_denoising_is_none():
    made = images()
    assert unchanged(made) is made
