"""Layers that attacks must know of: BatchNorm, and noise drawn inside a network."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

BatchNorm = nn.modules.batchnorm._BatchNorm
"""BatchNorm of any dimension; torch has no public name for it."""


def batch_norms(network: nn.Module) -> dict[str, BatchNorm]:
    """The BatchNorm layers of a network by their place in it."""
    return {place: layer for place, layer in network.named_modules() if isinstance(layer, BatchNorm)}


class StandardNormal(nn.Module):
    """Independent N(0, 1) numbers in the shape of what enters, by torch's global generator; in eval mode zeros.

    A layer of its own, so that an attacker can put numbers in its place.
    """

    def forward(self, like: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return torch.randn_like(like) if self.training else torch.zeros_like(like)
