"""Perceptron, layer by layer: which of a network's parameters are whose, and neurons put in an order of their own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fedleak.errors import NotApplicable
from fedleak.learning.layers import has_hooks
from fedleak.learning.task import Task
from fedleak.learning.weights import NamedTensors

BETWEEN = (nn.Dropout, nn.ELU, nn.Flatten, nn.GELU, nn.Identity, nn.LeakyReLU, nn.ReLU, nn.Sigmoid, nn.SiLU, nn.Tanh)
"""What may lie between linear layers: the same for each neuron."""


@dataclass(frozen=True)
class Layer:
    """A linear layer of several models at once."""

    weight: Float[Tensor, "models neurons inputs"]
    bias: Float[Tensor, "models neurons"]


def layers_of(task: Task, stacked: NamedTensors) -> tuple[Layer, ...]:
    """The layers of stacked models of a task, from the first; raises `NotApplicable` of what is no perceptron."""
    names = _linear(task)
    return tuple(Layer(stacked[f"{name}weight"], _bias(stacked, name)) for name in names)


def one_of(parameters: NamedTensors) -> NamedTensors:
    """One model as a stack of one."""
    return {name: value[None] for name, value in parameters.items()}


def sorted_by_sum(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Hidden neurons in the order of the sum of what comes in, which is the same whatever order they came in."""
    done, own = list(layers), range(len(layers) - 1)
    for place in own:
        layer, after = done[place], done[place + 1]
        order = (layer.weight.double().sum(2) + layer.bias.double()).argsort(1)
        rows = order[:, :, None]
        done[place] = Layer(layer.weight.take_along_dim(rows, 1), layer.bias.take_along_dim(order, 1))
        done[place + 1] = replace(after, weight=after.weight.take_along_dim(order[:, None], 2))
    return tuple(done)


def _linear(task: Task) -> list[str]:
    """The prefixes of the parameters of a chain of linear layers."""
    network = task.network
    if not isinstance(network, nn.Sequential | nn.Linear) or has_hooks(network):
        raise NotApplicable(f"it reads perceptrons, and '{task.name}' is a {type(network).__name__} of its own kind")
    found = []
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear):
            found.append(f"{name}." if name else "")
        elif not isinstance(module, (nn.Sequential, *BETWEEN)):
            raise NotApplicable(f"it reads perceptrons, and '{task.name}' has a layer {type(module).__name__}")
    if not found:
        raise NotApplicable(f"it reads perceptrons, and '{task.name}' has no linear layer")
    return found


def _bias(stacked: NamedTensors, name: str) -> Tensor:
    weight, bias = stacked[f"{name}weight"], stacked.get(f"{name}bias")
    return torch.zeros_like(weight[:, :, 0]) if bias is None else bias
