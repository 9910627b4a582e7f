"""Network steps: a network in a row as affine maps with one activation between each two, for who computes without
seeing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod

import numpy as np
import torch
from jaxtyping import Float, Float64
from numpy.typing import NDArray
from torch import Tensor, nn

from fedleak.errors import ConfigError
from fedleak.learning.layers import Normalization, copied
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights

LINEAR: tuple[type[nn.Module], ...] = (
    nn.Linear, nn.Conv1d, nn.Conv2d, nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d,
    nn.Flatten, nn.Identity, nn.ZeroPad2d, nn.BatchNorm1d, nn.BatchNorm2d, nn.Dropout, nn.Dropout1d, nn.Dropout2d,
)  # fmt: skip
"""What is an affine map in eval mode. What is derived from them may be anything."""
MOST_ENTRIES = 2**25
"""Of one map's matrix: a quarter of a gigabyte."""
ROWS = 256
"""Unit vectors that are sent through a network at once."""


class Polynomial(nn.Module):
    """`linear * x + curvature * x**2`: the activation of a network that is computed by sums and products alone."""

    def __init__(self, linear: float, curvature: float) -> None:
        super().__init__()
        self.linear = linear
        self.curvature = curvature

    def forward(self, inputs: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return self.linear * inputs + self.curvature * inputs.square()


@dataclass(frozen=True)
class Affine:
    """`weight @ x + bias`."""

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]

    def after(self, scale: float, shift: float) -> "Affine":
        """The map of `scale * x + shift` in place of x."""
        return Affine(self.weight * scale, self.bias + shift * self.weight.sum(1))


def with_activations(task_network: nn.Module, replaced: tuple[type[nn.Module], ...], by: nn.Module) -> nn.Module:
    """A copy of a network with one activation in the place of those of some types."""
    network = copied(task_network)
    places = [name for name, one in network.named_modules(remove_duplicate=False) if type(one) in replaced]
    for place in places:
        network.set_submodule(place, copied(by).train(network.training))
    return network


def segments(task: Task, activations: tuple[type[nn.Module], ...], defense: str) -> list[list[nn.Module]]:
    """The linear layers before, between and behind the activations; raises `ConfigError` where there are others."""
    hooked = [*task.network._forward_hooks.values(), *task.network._forward_pre_hooks.values()]
    inner = [one for one in task.network.modules() if one is not task.network]
    if any(not isinstance(hook, Normalization) for hook in hooked) or any(
        one._forward_hooks or one._forward_pre_hooks for one in inner
    ):
        raise ConfigError(
            f"'{defense}' evaluates layers as torch has them, and those of '{task.name}' have something put in front "
            "or behind (hooks); leave the defense or the option out that does so"
        )
    found: list[list[nn.Module]] = [[]]
    for layer in _in_a_row(task, task.network, defense):
        if type(layer) in activations:
            found.append([])
        elif type(layer) in LINEAR:
            found[-1].append(layer)
        else:
            _refuse(task, layer, defense)
    return found


def _in_a_row(task: Task, network: nn.Module, defense: str) -> Iterator[nn.Module]:
    if type(network) is not nn.Sequential:
        if list(network.children()):
            raise ConfigError(
                f"'{defense}' evaluates layers in a row (torch.nn.Sequential), and '{task.name}' has a "
                f"{type(network).__name__} of several; take a network such as 'mlp' or 'convnet'"
            )
        yield network
        return
    for layer in network:
        yield from _in_a_row(task, layer, defense)


def _refuse(task: Task, layer: nn.Module, defense: str) -> None:
    kind = type(layer).__name__
    remedy = "average pooling in its place" if "MaxPool" in kind else "a network such as 'mlp' or 'convnet'"
    raise ConfigError(
        f"'{defense}' has no evaluation of {kind}, which '{task.name}' has: expected linear layers, convolutions, "
        f"average pooling, BatchNorm and usual activations; take {remedy}"
    )


def widths(task: Task, parts: Sequence[Sequence[nn.Module]]) -> list[int]:
    """How many values enter each segment, and how many leave the last."""
    values = torch.full((1, *task.shape), float(task.space.middle))
    counts = [prod(task.shape)]
    with torch.no_grad():
        for layers in parts:
            for layer in layers:
                values = copied(layer).eval()(values)
            counts.append(values.numel())
    return counts


def affine_maps(task: Task, weights: Weights, parts: Sequence[Sequence[nn.Module]]) -> tuple[Affine, ...]:
    """The segments of a network on these weights, each an affine map, in double precision."""
    names = {id(layer): name for name, layer in task.network.named_modules()}
    shape, state, found = tuple(task.shape), weights.state_dict(), []
    first = list(task.network._forward_pre_hooks.values())
    with torch.no_grad():
        for layers in parts:
            own = [copied(layer).double().eval() for layer in layers]
            for layer, fresh in zip(layers, own, strict=True):
                there = f"{names[id(layer)]}." if names[id(layer)] else ""
                fresh.load_state_dict({key: state[there + key] for key in fresh.state_dict()})
            affine, shape = _as_affine(nn.Sequential(*own), first, shape)
            found.append(affine)
            first = []
    return tuple(found)


def _as_affine(layers: nn.Module, first: Sequence[object], shape: tuple[int, ...]) -> tuple[Affine, tuple[int, ...]]:
    """What some layers do to values of a shape, behind a normalization where there is one; and the shape that leaves.

    A constant is where zero goes; a column of the matrix is where a unit vector goes, less that.
    """

    def run(values: Float64[Tensor, "rows *shape"]) -> Float64[Tensor, "rows *left"]:
        for hook in first:
            assert isinstance(hook, Normalization)
            (values,) = hook(layers, (values,))
        left: Tensor = layers(values)
        return left

    count = prod(shape)
    origin = run(torch.zeros(1, *shape, dtype=torch.float64))
    units = torch.split(torch.eye(count, dtype=torch.float64), ROWS)
    columns = torch.cat([(run(one.reshape(-1, *shape)) - origin).flatten(1) for one in units])
    return Affine(columns.T.numpy().copy(), origin.flatten().numpy()), tuple(origin.shape[1:])


def require_size(task: Task, counts: Sequence[int], most: int, defense: str, most_entries: int = MOST_ENTRIES) -> None:
    """Raises `ConfigError` where more values stand between two activations than fit, or a matrix is too large."""
    if max(counts) > most:
        raise ConfigError(
            f"'{defense}' takes at most {most:,} values in a layer, and '{task.name}' has {max(counts):,}; take a "
            "smaller network"
        )
    entries = max(before * after for before, after in pairwise(counts))
    if entries > most_entries:
        raise ConfigError(
            f"'{defense}' writes each layer as a matrix of at most {most_entries:,} entries, and one of '{task.name}' "
            f"has {entries:,}; take a smaller network"
        )
