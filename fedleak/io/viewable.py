"""Viewable: an example of any number of channels as a picture."""

import torch
from jaxtyping import Float
from torch import Tensor


def viewable(image: Float[Tensor, "channels height width"]) -> Float[Tensor, "colors height width_"]:
    """Gray or color as it is; of any other number of channels each in gray, side by side."""
    return image if len(image) in (1, 3) else torch.cat(list(image[:, None]), dim=2)
