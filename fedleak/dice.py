"""A layer that only rolls dice, for networks that are random in other ways than by dropout."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class StandardNormal(nn.Module):
    """Independent N(0, 1) numbers in the shape of what enters, by torch's global dice; in eval mode zeros.

    A layer of its own, so that an attacker can put numbers in its place.
    """

    def forward(self, like: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return torch.randn_like(like) if self.training else torch.zeros_like(like)
