"""Lays images over each other: reconstructions from several starts may show the same thing at different places.

By translation alone, round the edges and within a reach: the peak of the circular cross-correlation. Enough for small
images, where GradInversion uses RANSAC-flow. Source: https://arxiv.org/abs/2104.07586
"""

from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor


def registered(
    images: Float[Tensor, "batch channels height width"],
    references: Float[Tensor, "batch channels height width"],
    reach: int,
) -> Float[Tensor, "batch channels height width"]:
    """Each image moved, by at most `reach` pixels each way, to where it is nearest to its reference."""
    shifts = best_shifts(images, references, reach).tolist()
    return torch.stack([image.roll(shift, (1, 2)) for image, shift in zip(images, shifts, strict=True)])


def best_shifts(
    images: Float[Tensor, "batch channels height width"],
    references: Float[Tensor, "batch channels height width"],
    reach: int,
) -> Int[Tensor, "batch 2"]:
    """How far down and right each image has to be moved; of equally good moves the shortest."""
    correlation = _correlation(images, references, reach)
    return _moves(reach, *images.shape[-2:])[correlation.argmax(-1).cpu()]


def distances_when_registered(
    images: Float[Tensor, "batch channels height width"],
    references: Float[Tensor, "batch channels height width"],
    reach: int,
) -> Float[Tensor, "batch batch"]:
    """Squared distance of each reference (row) from each image (column), each pair laid over each other."""
    peaks = _correlation(images[None], references[:, None], reach).amax(-1)
    lengths = [one.square().flatten(1).sum(1) for one in (references, images)]
    return lengths[0][:, None] + lengths[1][None] - 2 * peaks


def _correlation(images: Tensor, references: Tensor, reach: int) -> Float[Tensor, "*batch moves"]:
    """The inner product of images with their references after each of the moves."""
    height, width = images.shape[-2:]
    spectrum = torch.fft.rfft2(references) * torch.fft.rfft2(images).conj()
    everywhere = torch.fft.irfft2(spectrum.sum(-3), s=(height, width))
    moves = _moves(reach, height, width)
    chosen: Tensor = everywhere[..., moves[:, 0] % height, moves[:, 1] % width]
    return chosen


@lru_cache(maxsize=16)
def _moves(reach: int, height: int, width: int) -> Int[Tensor, "moves 2"]:
    """All moves within reach, the shortest first."""
    down, right = min(reach, (height - 1) // 2), min(reach, (width - 1) // 2)
    moves = [(y, x) for y in range(-down, down + 1) for x in range(-right, right + 1)]
    return torch.tensor(sorted(moves, key=lambda move: move[0] ** 2 + move[1] ** 2))
