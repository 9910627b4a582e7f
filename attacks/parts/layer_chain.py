"""A network as a chain of layers, each linear and then an activation that can be undone; for attacks that go back."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fedleak.task import Task

Undo = Callable[[Float[Tensor, " outputs"]], Float[Tensor, " outputs"]]


@dataclass(frozen=True)
class Activation:
    """An elementwise activation: its inverse, and its derivative as a function of its output."""

    inverse: Undo
    slope: Undo


@dataclass(frozen=True)
class Link:
    """A linear or convolutional layer, the shape of one example's input to it, and the activation after it."""

    name: str
    layer: nn.Linear | nn.Conv2d
    shape: tuple[int, ...]
    activation: Activation


def chain_of(task: Task) -> list[Link] | str:
    """The links from the input to the logits; or what stands in the way, in words."""
    if not isinstance(task.network, nn.Sequential):
        return f"'{task.name}' is not a plain sequence of layers"
    links: list[Link] = []
    shape: tuple[int, ...] = task.shape
    for name, module in task.network.named_children():
        if isinstance(module, nn.Flatten):
            shape = (torch.Size(shape).numel(),)
        elif isinstance(module, nn.Linear | nn.Conv2d):
            if isinstance(module, nn.Conv2d) and (module.groups != 1 or module.padding_mode != "zeros"):
                return f"layer '{name}' of '{task.name}' is a convolution with groups or padding that is not zeros"
            links.append(Link(name, module, shape, LINEAR))
            shape = _shape_after(module, shape)
        else:
            activation = _activation(module)
            if activation is None or not links or links[-1].activation is not LINEAR:
                return f"layer '{name}' of '{task.name}', {type(module).__name__}, cannot be undone"
            links[-1] = Link(links[-1].name, links[-1].layer, links[-1].shape, activation)
    if not links or not isinstance(links[-1].layer, nn.Linear) or links[-1].activation is not LINEAR:
        return f"'{task.name}' does not end in a linear layer"
    return links


def _shape_after(layer: nn.Linear | nn.Conv2d, shape: tuple[int, ...]) -> tuple[int, ...]:
    with torch.no_grad():
        blank = torch.zeros(1, *shape, dtype=layer.weight.dtype)
        result: Tensor = layer(blank)
    return tuple(result.shape[1:])


def _activation(module: nn.Module) -> Activation | None:
    """None for what loses information (ReLU, pooling) or changes from call to call."""
    if isinstance(module, nn.LeakyReLU) and module.negative_slope > 0:
        slope = module.negative_slope
        return Activation(
            lambda output: torch.where(output > 0, output, output / slope),
            lambda output: torch.where(output > 0, 1.0, slope).to(output),
        )
    if isinstance(module, nn.Sigmoid):
        return Activation(
            lambda output: torch.logit(output, eps=1e-12),
            lambda output: output * (1 - output),
        )
    if isinstance(module, nn.Tanh):
        return Activation(
            lambda output: torch.atanh(output.clamp(-1 + 1e-12, 1 - 1e-12)),
            lambda output: 1 - output**2,
        )
    return None


LINEAR = Activation(lambda output: output, torch.ones_like)
