"""More public batches than there are: images mixed with one another, labels drawn."""

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.learning.batch import Batch


def mixed(batches: list[Batch], share: float, classes: int, rng: Generator) -> list[Batch]:
    """A share of the batches (the first ones) with each image mixed with that of another batch, and labels drawn.

    `x + w (x' - x)` with w uniform in [0, 1/2]. What an image does to a gradient depends little on whether it looks
    like one, and with any label it is still this image, so an inverter learns from all. Source:
    https://arxiv.org/abs/1710.09412
    """
    changed = round(share * len(batches))
    partners = torch.randperm(len(batches), generator=rng)[:changed]
    return [_mixed(batches[i], batches[int(j)], classes, rng) for i, j in enumerate(partners)] + batches[changed:]


def _mixed(one: Batch, other: Batch, classes: int, rng: Generator) -> Batch:
    weights: Float[Tensor, "batch 1 1 1"] = 0.5 * torch.rand(len(one), 1, 1, 1, generator=rng)
    labels = torch.randint(classes, (len(one),), generator=rng)
    return Batch(torch.lerp(one.inputs, other.inputs, weights), labels)
