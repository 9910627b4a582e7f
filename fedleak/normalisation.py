"""The layers of a network that normalise over a batch."""

from torch import nn

BatchNorm = nn.modules.batchnorm._BatchNorm
"""BatchNorm of any dimension; torch has no public name for it."""


def batch_norms(network: nn.Module) -> dict[str, BatchNorm]:
    """The BatchNorm layers of a network by their place in it."""
    return {place: layer for place, layer in network.named_modules() if isinstance(layer, BatchNorm)}
