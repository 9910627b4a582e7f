"""The first trainable layer, whose gradient speaks of the input."""

from dataclasses import dataclass
from math import prod

from torch import nn

from fedleak.task import Task


@dataclass(frozen=True, kw_only=True)
class FirstLayer:
    """Names of the parameters of a linear layer on the flattened image."""

    weight: str
    bias: str


def find_first_layer(task: Task) -> FirstLayer | str:
    """The first trainable layer where it is linear, has a bias and sees the whole image; else why not, in words."""
    layers = [(n, m) for n, m in task.network.named_modules() if list(m.parameters(recurse=False))]
    name, layer = layers[0] if layers else ("", None)
    if not isinstance(layer, nn.Linear):
        return (
            f"the first trainable layer of '{task.name}' is a {type(layer).__name__}, not linear: try gradient matching"
        )
    if layer.in_features != prod(task.shape):
        return (
            f"the first linear layer of '{task.name}' sees {layer.in_features} features, not {prod(task.shape)} pixels"
        )
    if layer.bias is None:
        return f"the first linear layer of '{task.name}' has no bias, so its input is known only up to a factor"
    prefix = f"{name}." if name else ""
    return FirstLayer(weight=f"{prefix}weight", bias=f"{prefix}bias")
