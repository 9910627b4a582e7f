"""Normalization in front of a network, as part of it: clients and attacks give images in the range of the data."""

from typing import Any

import torch
from torch import Tensor, nn


class Normalization:
    """`(x - mean) / std` of each channel before the first layer; no layer of its own, so that names stay what they are.

    A forward pre-hook of the whole network: whoever runs the network runs it too.
    """

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        self.mean = torch.tensor(mean, dtype=torch.float64).reshape(-1, 1, 1)
        self.std = torch.tensor(std, dtype=torch.float64).reshape(-1, 1, 1)

    def __call__(self, _: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        inputs: Tensor = arguments[0]
        return ((inputs - self.mean.to(inputs)) / self.std.to(inputs), *arguments[1:])


def normalize_inputs(network: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    """Puts the normalization in front of a network."""
    network.register_forward_pre_hook(Normalization(mean, std))


def has_hooks(network: nn.Module) -> bool:
    """Whether anything is computed on the way into or out of a module that its class does not say."""
    return any(module._forward_pre_hooks or module._forward_hooks for module in network.modules())
