"""The first trainable layer, whose gradient speaks of the input."""

from dataclasses import dataclass
from math import prod

from torch import nn

from fedleak.learning.task import Task


@dataclass(frozen=True, kw_only=True)
class FirstLayer:
    """Names of the parameters of a linear layer on the flattened image."""

    weight: str
    bias: str
    behind: str
    """The class of the module that is declared next, as a rule the activation; empty where there is none."""


def find_first_layer(task: Task) -> FirstLayer | str:
    """The first trainable layer where it is linear, has a bias and sees the whole image; else why not, in words."""
    modules = [(n, m) for n, m in task.network.named_modules() if not list(m.children())]
    places = [i for i, (_, module) in enumerate(modules) if list(module.parameters())]
    name, layer = modules[places[0]] if places else ("", None)
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
    behind = [type(module).__name__ for _, module in modules[places[0] + 1 : places[0] + 2]]
    return FirstLayer(weight=f"{prefix}weight", bias=f"{prefix}bias", behind="".join(behind))
