"""Head features: the input of the last linear layer for one example, read off its gradient."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

POINTS = 2001
"""Lengths that are tried at once."""
ROOT = 1e-2
"""Relative misfit below which a length may be the right one."""
LEAST = 1e-9
"""The shortest derivative by the logits that has a direction in double precision."""
MOST = 4
"""Readings that are handed on: of two classes the label is open, and the equation may have two roots."""


@dataclass(frozen=True, kw_only=True)
class HeadFeatures:
    """The features, the derivative by the logits that belongs to them, the label, and the gradient's true length."""

    features: Float[Tensor, " features"]
    derivative: Float[Tensor, " classes"]
    label: int
    scale: float
    """What the observed gradient has to be multiplied by; 1 where its length is known."""
    misfit: float
    """What is left of the head's gradient, relative to it."""


def head_features(
    weight: Float[Tensor, "classes features"],
    bias: Float[Tensor, " classes"] | None,
    weight_gradient: Float[Tensor, "classes features"],
    bias_gradient: Float[Tensor, " classes"] | None,
    *,
    length_known: bool,
) -> tuple[HeadFeatures, ...]:
    """The features h with `(softmax(W h + b) - y) hᵀ = dL/dW`, the best first.

    The gradient has rank one: its factors are the features and the posterior less the one-hot label, each up to a
    length. A bias gradient gives the length; without one it is the root of an equation of one unknown, for the features
    fix the posterior as well. The label's entry alone is negative, which gives label and sign.
    """
    left, values, right = torch.linalg.svd(weight_gradient, full_matrices=False)
    strength = float(values[0]) if length_known else None
    readings = []
    for toward, along in _orientations(left[:, 0], right[0]):
        one_hot = F.one_hot(toward.argmin(), len(toward)).to(toward)
        if bias_gradient is not None:
            lengths = [float(along @ (weight_gradient.T @ bias_gradient) / bias_gradient.square().sum())]
        else:
            lengths = _roots(weight @ along, bias, toward, one_hot, strength)
        for length in lengths:
            features = length * along
            logits = weight @ features + (0.0 if bias is None else bias)
            derivative = logits.softmax(0) - one_hot
            explained = derivative[:, None] * features
            scale = 1.0 if length_known else float((explained * weight_gradient).sum() / values.square().sum())
            misfit = float((explained - scale * weight_gradient).norm() / explained.norm().clamp_min(1e-300))
            label = int(one_hot.argmax())
            readings.append(
                HeadFeatures(features=features, derivative=derivative, label=label, scale=scale, misfit=misfit)
            )
    best = sorted(readings, key=lambda reading: reading.misfit)
    return tuple(reading for reading in best if reading.misfit < max(ROOT, 10 * best[0].misfit))[:MOST]


def _orientations(toward: Tensor, along: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Both factors with their signs as they must be, for one entry alone is negative; of two classes either way."""
    if len(toward) == 2:
        return [(toward, along), (-toward, -along)]
    sign = 1.0 if (toward < 0).sum() <= (toward > 0).sum() else -1.0
    return [(sign * toward, sign * along)]


def _roots(
    logits: Float[Tensor, " classes"],
    bias: Float[Tensor, " classes"] | None,
    toward: Float[Tensor, " classes"],
    one_hot: Float[Tensor, " classes"],
    strength: float | None,
) -> list[float]:
    """Lengths s for which `softmax(s logits + b) - y` points along `toward`, and is `strength / s` long where known."""
    shift = torch.zeros_like(logits) if bias is None else bias

    def misfit(lengths: Tensor) -> Tensor:
        derivative = (lengths[:, None] * logits + shift).softmax(1) - one_hot
        size = derivative @ toward if strength is None else strength / lengths
        left: Tensor = (derivative - size[:, None] * toward).norm(dim=1)
        length = derivative.norm(dim=1)
        # Of a posterior that is the label to the last bit nothing is left to compare.
        share: Tensor = torch.where(length > LEAST, left / length.clamp_min(LEAST), 1.0)
        return share

    unit = 1.0 / logits.abs().max().clamp_min(1e-300)
    grid = unit * torch.logspace(-5, 3, POINTS, dtype=logits.dtype)
    values = misfit(grid)
    valley = torch.ones_like(values, dtype=torch.bool)
    valley[1:] &= values[1:] <= values[:-1]
    valley[:-1] &= values[:-1] <= values[1:]
    places = torch.nonzero(valley).flatten()
    best = sorted(places.tolist(), key=lambda place: float(values[place]))[:MOST]
    roots = [_closer(misfit, float(grid[max(i - 1, 0)]), float(grid[min(i + 1, POINTS - 1)])) for i in best]
    good = [root for root in roots if float(misfit(torch.tensor([root], dtype=logits.dtype))) < ROOT]
    return good or roots[:1]


def _closer(misfit: Callable[[Tensor], Tensor], low: float, high: float) -> float:
    """The least misfit between two lengths, by ever finer grids."""
    middle = low
    for _ in range(4):
        grid = torch.linspace(low, high, POINTS, dtype=torch.float64)
        place = int(misfit(grid).argmin())
        middle = float(grid[place])
        low, high = float(grid[max(place - 1, 0)]), float(grid[min(place + 1, POINTS - 1)])
    return middle
