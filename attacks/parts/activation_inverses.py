"""Activations turned round: from what they gave to what they got, and their slope there."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

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
    """A piecewise linear activation turned round, where each entry's side is given. One side of ReLU tells nothing."""
    slope = torch.where(positive, 1.0, below).to(features.dtype)
    known = slope > 0
    before = torch.where(known, features / slope.clamp_min(1e-300), torch.zeros_like(features))
    return Turned(before=before, slope=slope, known=known)
