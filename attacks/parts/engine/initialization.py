"""Initialization: dummy images that owe nothing to the truth or to public data."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Generator, Tensor

Shape = tuple[int, int, int]
Start = Callable[[int, Shape, Generator], Float[Tensor, "batch channels height width"]]
"""From the number of images, their shape and a generator to a dummy batch."""


def normal(examples: int, shape: Shape, rng: Generator) -> Float[Tensor, "batch channels height width"]:
    """Independent N(0, 1) pixels, as DLG starts."""
    return torch.randn(examples, *shape, generator=rng)


def uniform(examples: int, shape: Shape, rng: Generator) -> Float[Tensor, "batch channels height width"]:
    """Independent pixels, uniform in [0, 1]."""
    return torch.rand(examples, *shape, generator=rng)


def gray(examples: int, shape: Shape, rng: Generator) -> Float[Tensor, "batch channels height width"]:
    """Mid-gray with N(0, 0.1²) noise: inside the box, away from its walls."""
    return 0.5 + 0.1 * torch.randn(examples, *shape, generator=rng)


def patterned(examples: int, shape: Shape, rng: Generator) -> Float[Tensor, "batch channels height width"]:
    """A patch of uniform pixels, half as high and wide as the image, laid two by two: less to find out than noise.

    Source: https://arxiv.org/abs/2004.10397
    """
    depth, height, width = shape
    patch = torch.rand(examples, depth, -(-height // 2), -(-width // 2), generator=rng)
    return patch.tile(1, 1, 2, 2)[..., :height, :width].clone()
