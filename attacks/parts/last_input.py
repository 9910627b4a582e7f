"""The input of the last layer for one example: a direction that its gradient gives, and a length that softmax gives."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from scipy.optimize import minimize_scalar
from torch import Tensor

GRID = 400
"""Lengths that are tried first, spaced evenly in their logarithm."""


@dataclass(frozen=True)
class LastInput:
    """The features, the residual `p - y` of the softmax, the label, and how well all equations are met."""

    features: Float[Tensor, " features"]
    residual: Float[Tensor, " classes"]
    label: int
    misfit: float


def last_input(
    gradient: Float[Tensor, "classes features"],
    weight: Float[Tensor, "classes features"],
    bias: Float[Tensor, " classes"] | None,
) -> LastInput | str:
    """The features x of one example out of `dL/dW = (p - y) xᵀ` with `p = softmax(W x + b)`; or why not, in words.

    The gradient has rank one: `x = s u` with u its right singular vector. As `p - y` has one negative entry, that of
    the label, the sign of u and the label follow; s is where `(p(s) - y) s` is the gradient along u.
    """
    _, singular, directions = torch.linalg.svd(gradient, full_matrices=False)
    if not singular[0] > 0:
        return "the last layer's weight gradient is zero"
    direction = directions[0]
    along = gradient @ direction
    if int((along < 0).sum()) > int((along > 0).sum()):
        direction, along = -direction, -along
    label = int(along.argmin())
    scores, offset = weight @ direction, torch.zeros_like(along) if bias is None else bias
    truth = torch.nn.functional.one_hot(torch.tensor(label), len(along)).to(along)

    def misfit(exponent: float) -> float:
        length = math.exp(exponent)
        difference = (torch.softmax(length * scores + offset, 0) - truth) * length - along
        return float(difference.norm() / along.norm())

    tries = torch.linspace(math.log(float(along.norm())) - 1.0, math.log(float(along.norm())) + 12.0, GRID).tolist()
    values = [misfit(one) for one in tries]
    best = min(range(GRID), key=values.__getitem__)
    low, high = tries[max(best - 1, 0)], tries[min(best + 1, GRID - 1)]
    found = minimize_scalar(misfit, bounds=(low, high), method="bounded", options={"xatol": 1e-13})
    length = math.exp(float(found.x))
    residual = torch.softmax(length * scores + offset, 0) - truth
    return LastInput(length * direction, residual, label, float(found.fun))
