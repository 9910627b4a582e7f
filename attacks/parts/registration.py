"""Lays images over each other: reconstructions from several starts may show the same thing at different places."""

from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor


def registered(
    images: Float[Tensor, "batch channels height width"],
    references: Float[Tensor, "batch channels height width"],
    reach: int,
) -> Float[Tensor, "batch channels height width"]:
    """Each image moved, by at most `reach` pixels each way and round the edges, to where it correlates best.

    Translation alone, by the peak of the circular cross-correlation: enough for small images, where GradInversion uses
    RANSAC-flow. An image stays where it is unless another place correlates better.
    """
    shifts = best_shifts(images, references, reach)
    return torch.stack([image.roll((int(down), int(right)), (1, 2)) for image, (down, right) in zip(images, shifts)])


def best_shifts(
    images: Float[Tensor, "batch channels height width"],
    references: Float[Tensor, "batch channels height width"],
    reach: int,
) -> Int[Tensor, "batch 2"]:
    """How far down and right each image has to be moved."""
    height, width = images.shape[-2:]
    centred = [one - one.mean((-2, -1), keepdim=True) for one in (references, images)]
    reference, image = (torch.fft.rfft2(one) for one in centred)
    correlation = torch.fft.irfft2(reference * image.conj(), s=(height, width)).sum(1)
    offsets = _offsets(reach, height, width)
    peaks = correlation[:, offsets[:, 0] % height, offsets[:, 1] % width].argmax(1)
    return offsets[peaks.cpu()]


@lru_cache(maxsize=16)
def _offsets(reach: int, height: int, width: int) -> Int[Tensor, "places 2"]:
    """All moves within reach, the shortest first, so that ties go to the shortest."""
    down, right = min(reach, (height - 1) // 2), min(reach, (width - 1) // 2)
    places = [(y, x) for y in range(-down, down + 1) for x in range(-right, right + 1)]
    return torch.tensor(sorted(places, key=lambda place: place[0] ** 2 + place[1] ** 2))
