"""Pass-through: a network whose first linear layer sees the example itself, through convolutions made to copy it.

A convolution of stride s copies every pixel where it has s² output channels for each input channel in use, one for each
place within a stride, and a kernel that reaches so far. A ReLU behind it changes nothing, for pixels are not negative.
"""

from dataclasses import dataclass
from itertools import product, takewhile

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from fedleak.errors import ConfigError
from fedleak.learning.task import Task
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.randomness import generator

HARMLESS = (nn.ReLU, nn.Flatten, nn.Identity, nn.Conv2d)
"""Layers in front that leave a copy of the pixels what it is."""
PROBES = 2


@dataclass(frozen=True, kw_only=True)
class PassThrough:
    """The first linear layer of a network, the weights that carry examples to it, and where they arrive."""

    layer: str
    """Its place in the network."""
    front: NamedTensors
    """Weights of the convolutions before it, by name."""
    carried: Bool[Tensor, " features"]
    """The features that are copies of pixels; the others are zero."""

    def features(self, task: Task, weights: Weights, inputs: Float[Tensor, "batch *shape"]) -> Tensor:
        """What enters the layer."""
        return _entering(task, weights.like({**weights.state_dict(), **self.front}), self.layer, inputs)


def pass_through(task: Task, weights: Weights) -> PassThrough:
    """Of a network with a ReLU behind its first linear layer; raises `ConfigError` where examples do not get there."""
    if task.space.bounds[0] < 0:
        raise ConfigError(
            f"expected examples without negative values, which pass a ReLU as they are, got {task.space.words}; choose "
            "another task"
        )
    leaves = [(place, one) for place, one in task.network.named_modules() if not list(one.children())]
    place = next((place for place, one in leaves if isinstance(one, nn.Linear)), None)
    if place is None:
        raise ConfigError(f"expected a network with a linear layer, and '{task.name}' has none; choose another network")
    layer = task.network.get_submodule(place)
    if layer.bias is None or not (layer.bias.requires_grad and layer.weight.requires_grad):
        raise ConfigError(
            f"expected a first linear layer with weights and a bias that are trained, and '{place}' of '{task.name}' "
            "has not both; choose another network"
        )
    front: NamedTensors = {}
    used = task.shape[0]  # channels, of which the first carry something
    for name, one in takewhile(lambda leaf: leaf[0] != place, leaves):
        if not isinstance(one, HARMLESS):
            raise ConfigError(
                f"expected convolutions and ReLUs alone before the first linear layer of '{task.name}', got a "
                f"{type(one).__name__}; choose another network"
            )
        if isinstance(one, nn.Conv2d):
            copying = _copying(one, min(used, one.in_channels), f"'{name}' of '{task.name}'")
            front |= {f"{name}.{own}": value for own, value in copying.items()}
            used = int(copying["weight"].any(1).sum())
    found = PassThrough(layer=place, front=front, carried=_carried(task, weights, place, front))
    _require_relu(task, weights, found)
    return found


def _copying(layer: nn.Conv2d, used: int, name: str) -> NamedTensors:
    """The weights with which a convolution copies its first input channels, each place within a stride to its own."""
    taps = [_taps(layer, axis, name) for axis in (0, 1)]
    places = list(product(*taps))
    if layer.groups != 1 or layer.out_channels < used * len(places):
        raise ConfigError(
            f"expected {used * len(places)} channels behind the convolution {name} to copy its input to, "
            f"got {layer.out_channels}{'' if layer.groups == 1 else ' in groups'}; choose another network"
        )
    weight = torch.zeros_like(layer.weight)
    for channel, (source, (row, column)) in enumerate(product(range(used), places)):
        weight[channel, source, row, column] = 1.0
    return {"weight": weight, **({} if layer.bias is None else {"bias": torch.zeros_like(layer.bias)})}


def _taps(layer: nn.Conv2d, axis: int, name: str) -> list[int]:
    """The entries of the kernel along an axis that read the places within a stride."""
    padding = 0 if layer.padding == "valid" else layer.padding[axis]
    if isinstance(padding, str):  # "same", of stride 1: the larger half of the padding comes behind
        padding = layer.dilation[axis] * (layer.kernel_size[axis] - 1) // 2
    taps, rest = zip(
        *(divmod(place + padding, layer.dilation[axis]) for place in range(layer.stride[axis])), strict=True
    )
    if any(rest) or taps[-1] >= layer.kernel_size[axis]:
        raise ConfigError(
            f"expected a convolution whose kernel covers its stride, and that of {name} has {layer.kernel_size[axis]} "
            f"entries for a stride of {layer.stride[axis]} and a padding of {padding}; choose another network"
        )
    return list(taps)


def _carried(task: Task, weights: Weights, layer: str, front: NamedTensors) -> Bool[Tensor, " features"]:
    """Where pixels arrive: each is somewhere, and nothing else but zeros is; tried on random examples."""
    copying = weights.like({**weights.state_dict(), **front})
    examples = task.space.uniform(PROBES, generator("pass-through"))
    features = _entering(task, copying, layer, examples)
    pixels, carried = examples.flatten(1).to(features), features.any(0)
    if not torch.equal(features[:, carried].sort(1).values, pixels.sort(1).values):
        raise ConfigError(
            f"expected a network that can copy examples to its first linear layer, and what '{layer}' of '{task.name}' "
            f"sees is another thing than their {pixels.shape[1]} values; choose another network"
        )
    return carried


def _require_relu(task: Task, weights: Weights, found: PassThrough) -> None:
    """Tried on what the layer puts out: a ReLU does not tell two negative values apart."""
    example = task.space.uniform(1, generator("pass-through"))
    dead, lower, alive = (_answered(task, weights, found.layer, example, value) for value in (-1.0, -2.0, 1.0))
    if not torch.equal(dead, lower) or torch.equal(dead, alive):
        raise ConfigError(
            f"expected a ReLU behind the first linear layer '{found.layer}' of '{task.name}', which keeps neurons from "
            "having a gradient that do not fire, and there is none; choose another network"
        )


def _entering(task: Task, weights: Weights, layer: str, inputs: Tensor) -> Tensor:
    """What goes into the layer; nothing where that is not one vector for each example."""
    seen: list[Tensor] = []
    handle = task.network.get_submodule(layer).register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    try:
        _run(task, weights, inputs)
    finally:
        handle.remove()
    return seen[0] if [one.dim() for one in seen] == [2] else inputs.new_zeros(len(inputs), 0)


def _answered(task: Task, weights: Weights, layer: str, inputs: Tensor, value: float) -> Tensor:
    """What the network says where all outputs of the layer have a value."""
    module = task.network.get_submodule(layer)
    handle = module.register_forward_hook(lambda *hooked: torch.full_like(hooked[2], value))
    try:
        return _run(task, weights, inputs)
    finally:
        handle.remove()


def _run(task: Task, weights: Weights, inputs: Tensor) -> Tensor:
    with torch.no_grad():
        return task.logits(weights, inputs, mode="eval")
