"""Pillow images are fitted into the shape of the data: scaled to its shorter side, cropped, in color or in gray."""

import numpy as np
import torch
from PIL import Image

from fedleak.data.own import fitted

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)


def test_one_that_fits_stays_as_it_is() -> None:
    image = fitted(Image.fromarray(PIXELS), (3, 6, 9))
    assert torch.equal((image * 255).round().to(torch.uint8), torch.from_numpy(PIXELS).permute(2, 0, 1))


def test_another_is_scaled_and_cropped_in_the_middle() -> None:
    wide = Image.fromarray(np.repeat(np.array([[0, 255, 255, 0]], dtype=np.uint8), 2, axis=0))
    assert torch.equal(fitted(wide, (1, 2, 2)), torch.ones(1, 2, 2))
    assert fitted(Image.fromarray(PIXELS), (3, 4, 4)).shape == (3, 4, 4)


def test_gray_is_what_pillow_calls_so() -> None:
    gray = np.asarray(Image.fromarray(PIXELS).convert("L"))
    made = (fitted(Image.fromarray(PIXELS), (1, 6, 9)) * 255).round().to(torch.uint8)
    assert torch.equal(made[0], torch.tensor(gray))
