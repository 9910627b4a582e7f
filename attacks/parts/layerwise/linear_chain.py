"""Linear chain: a network as linear maps with activations between, which can be inverted from its end."""

from dataclasses import dataclass, replace
from math import prod

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from fedleak.errors import NotApplicable
from fedleak.learning.layers import has_hooks
from fedleak.learning.task import Task

# Inverse activations.

EDGE = 1e-9
"""How near the ends of its range a smooth activation is read."""


@dataclass(frozen=True, kw_only=True)
class Turned:
    """The activation's input where it is known, and its slope."""

    before: Float[Tensor, "*shape"]
    slope: Float[Tensor, "*shape"]
    known: Bool[Tensor, "*shape"]


def kink(activation: nn.Module) -> float | None:
    """The slope below zero of a piecewise linear activation; None of a smooth one."""
    if isinstance(activation, nn.LeakyReLU):
        return float(activation.negative_slope)
    return 0.0 if isinstance(activation, nn.ReLU) else None


def turned(activation: nn.Module, features: Float[Tensor, "*shape"]) -> Turned:
    """A smooth activation turned round; identity, sigmoid or tanh."""
    known = torch.ones_like(features, dtype=torch.bool)
    if isinstance(activation, nn.Sigmoid):
        inside = features.clamp(EDGE, 1 - EDGE)
        return Turned(before=inside.logit(), slope=inside * (1 - inside), known=known)
    if isinstance(activation, nn.Tanh):
        inside = features.clamp(EDGE - 1, 1 - EDGE)
        return Turned(before=inside.atanh(), slope=1 - inside.square(), known=known)
    return Turned(before=features, slope=torch.ones_like(features), known=known)


def unbent(features: Float[Tensor, "*shape"], positive: Bool[Tensor, "*shape"], below: float) -> Turned:
    """A piecewise linear activation turned round, where each entry's side is given; ReLU loses one side."""
    slope = torch.where(positive, 1.0, below).to(features.dtype)
    known = slope > 0
    before = torch.where(known, features / slope.clamp_min(1e-300), torch.zeros_like(features))
    return Turned(before=before, slope=slope, known=known)


Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Link:
    """A convolution or linear layer, the shape of one example's input to it, and the activation behind it."""

    name: str
    module: nn.Conv2d | nn.Linear
    shape: Shape
    outputs: Shape
    activation: nn.Module
    """`nn.Identity()` where there is none."""

    @property
    def weight(self) -> str:
        return f"{self.name}.weight" if self.name else "weight"

    @property
    def bias(self) -> str | None:
        prefix = f"{self.name}." if self.name else ""
        return None if self.module.bias is None else f"{prefix}bias"

    @property
    def inputs(self) -> int:
        return prod(self.shape)


INVERTIBLE = (nn.Identity, nn.LeakyReLU, nn.ReLU, nn.Sigmoid, nn.Tanh)
"""Activations that can be turned round; ReLU where it lets something through."""


def find_chain(task: Task) -> tuple[Link, ...]:
    """The links from input to output of a network that is such a chain."""
    if not isinstance(task.network, nn.Sequential | nn.Linear):
        raise NotApplicable(
            f"'{task.name}' is a {type(task.network).__name__}, not a plain chain of layers: try gradient matching"
        )
    if has_hooks(task.network):
        raise NotApplicable(
            f"'{task.name}' normalizes its images before the first layer, or hooks compute something else, so it is no "
            "plain chain of layers: try gradient matching"
        )
    every = list(task.network.named_modules(remove_duplicate=False))
    leaves = [(name, module) for name, module in every if not list(module.children())]
    own = [
        module for _, module in every if list(module.children()) and type(module).forward is not nn.Sequential.forward
    ]
    if own or len({id(module) for _, module in leaves}) < len(leaves):
        what = f"computes something of its own in a {type(own[0]).__name__}" if own else "goes through a layer twice"
        raise NotApplicable(f"'{task.name}' {what}, so it is no plain chain of layers: try gradient matching")
    links: list[Link] = []
    shape: Shape = task.shape
    for name, module in leaves:
        problem = _refusal(module) or _misplaced(module, links)
        if problem:
            raise NotApplicable(f"layer '{name}' of '{task.name}' {problem}")
        after = _output_shape(module, shape)
        if isinstance(module, nn.Conv2d | nn.Linear):
            links.append(Link(name=name, module=module, shape=shape, outputs=after, activation=nn.Identity()))
        elif not isinstance(module, nn.Flatten):
            links[-1] = replace(links[-1], activation=module)
        shape = after
    frozen = [link for link in links if not all(one.requires_grad for one in link.module.parameters())]
    if frozen:
        raise NotApplicable(f"layer '{frozen[0].name}' of '{task.name}' is frozen, and R-GAP needs every gradient")
    if not links or not isinstance(links[-1].module, nn.Linear) or not isinstance(links[-1].activation, nn.Identity):
        raise NotApplicable(f"'{task.name}' does not end in a linear layer without activation: try gradient matching")
    return tuple(links)


def _refusal(module: nn.Module) -> str | None:
    """Why a layer cannot be walked through backwards, in words."""
    if isinstance(module, nn.Conv2d):
        plain = module.groups == 1 and module.padding_mode == "zeros" and not isinstance(module.padding, str)
        return None if plain else "is a convolution with groups or a padding other than of zeros"
    if isinstance(module, (nn.Linear, nn.Flatten, *INVERTIBLE)):
        return None
    return f"is a {type(module).__name__}, which cannot be turned round: try gradient matching"


def _misplaced(module: nn.Module, links: list[Link]) -> str | None:
    """Why an activation cannot be where it is, in words."""
    if not isinstance(module, INVERTIBLE[1:]):
        return None
    if not links:
        return "comes before the first linear map"
    return None if isinstance(links[-1].activation, nn.Identity) else "is a second activation behind the same layer"


def _output_shape(module: nn.Module, shape: Shape) -> Shape:
    if not isinstance(module, nn.Conv2d | nn.Linear | nn.Flatten):
        return shape
    with torch.no_grad():
        return tuple(module(torch.zeros(1, *shape)).shape[1:])
