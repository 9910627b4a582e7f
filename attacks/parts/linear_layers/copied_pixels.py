"""Copied pixels: a layer that sees the image itself, its pixels in any order and among zeros."""

import torch
from jaxtyping import Int64
from torch import Generator, Tensor

from fedleak.errors import NotApplicable

from .first_layer import Front


def copied_pixels(front: Front, rng: Generator) -> Int64[Tensor, " pixels"]:
    """For each pixel the feature that is its copy, whichever values pixels have; raises `NotApplicable` without one.

    Told by two random images: no two pixels have the same two values there.
    """
    task = front.task
    images = task.space.uniform(2, rng, front.dtype)
    pixels, features = images.flatten(1), front(images).flatten(1)
    order = features[0].argsort()
    places = torch.searchsorted(features[0][order].contiguous(), pixels[0].contiguous()).clamp(max=len(order) - 1)
    copies: Int64[Tensor, " pixels"] = order[places]
    if not torch.equal(features[:, copies], pixels):
        raise NotApplicable(
            f"the linear layer '{front.layer.weight}' of '{task.name}' does not see the values of an example as they "
            "are, so what it collects is another thing"
        )
    return copies
