"""Properties: yes-or-no questions about the images behind an update that name none of them; a short catalogue."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Images = Float[Tensor, "batch channels height width"]


@dataclass(frozen=True, kw_only=True)
class Property:
    """One question. Its answer follows from the image alone, with no threshold that would have to be published."""

    name: str
    holds: Callable[[Images], Bool[Tensor, " batch"]]
    colored: bool = False
    """Whether it only makes sense of images with three channels."""


def warm(images: Images) -> Bool[Tensor, " batch"]:
    """Redder than blue."""
    return images[:, 0].flatten(1).mean(1) > images[:, -1].flatten(1).mean(1)


def lit_above(images: Images) -> Bool[Tensor, " batch"]:
    """Brighter in the upper half than in the lower; of an odd height the middle row counts for neither."""
    half = images.shape[2] // 2
    return images[:, :, :half].flatten(1).mean(1) > images[:, :, -half:].flatten(1).mean(1)


def lit_left(images: Images) -> Bool[Tensor, " batch"]:
    """Brighter in the left half than in the right; of an odd width the middle column counts for neither."""
    half = images.shape[3] // 2
    return images[..., :half].flatten(1).mean(1) > images[..., -half:].flatten(1).mean(1)


CATALOGUE = (
    Property(name="warm", holds=warm, colored=True),
    Property(name="lit-above", holds=lit_above),
    Property(name="lit-left", holds=lit_left),
)
"""None of them is the label. Whether one goes with the label is up to the data: ask what the labels alone give away."""


def of_each(images: Images) -> Float[Tensor, "batch properties"]:
    """1 where an image has a property, 0 where not, NaN where the question makes no sense of such images."""
    columns = [
        torch.full((len(images),), math.nan) if one.colored and images.shape[1] < 3 else one.holds(images).float()
        for one in CATALOGUE
    ]
    return torch.stack(columns, dim=1)


def of_most(images: Images) -> Float[Tensor, " properties"]:
    """1 where more than half of the images have a property, 0 where not, NaN where it makes no sense."""
    share = of_each(images).mean(0)
    return torch.where(share.isnan(), share, (share > 0.5).float())
