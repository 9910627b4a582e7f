"""Inputs of a linear layer made exact: guess, derivatives, least squares, and so on in turn."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

TURNS = 20
REWEIGHTINGS = 6
GAIN = 0.9
"""What the misfit must fall to in a turn, or the turns are over."""


def refitted(
    inputs: Float[Tensor, "batch features"],
    gradient: Float[Tensor, "neurons features"],
    derivatives: Callable[[Float[Tensor, "batch features"]], Float[Tensor, "batch neurons"]],
    bounds: tuple[float, float],
) -> Float[Tensor, "batch features"]:
    """The inputs X at which `D(X)ᵀ X` is nearest to the layer's gradient, of those that the turns came by.

    D(X) are the network's own derivatives at a guess, in double precision and without the noise of the update. Where
    the guess is near, which neurons sleep is right, D depends on it only weakly, and each turn shrinks the error; where
    it is far, the misfit rises and the guess stays what it was.
    """
    best, least = inputs, float("inf")
    tried = inputs
    for _ in range(TURNS):
        derivative = derivatives(tried)
        misfit = float((derivative.T @ tried - gradient).norm())
        if not misfit < GAIN * least:
            break
        best, least = tried, misfit
        tried = _robust(derivative.T, gradient).clamp(*bounds)
    return best


def _robust(
    derivatives: Float[Tensor, "neurons batch"], gradient: Float[Tensor, "neurons features"]
) -> Float[Tensor, "batch features"]:
    """Least absolute, not least squares, over the neurons: one that is wrongly taken for asleep spoils nothing."""
    weight = torch.ones(len(gradient), 1, dtype=gradient.dtype)
    for _ in range(REWEIGHTINGS):
        solution: Tensor = torch.linalg.lstsq(weight * derivatives, weight * gradient, driver="gelsd").solution
        rest = (derivatives @ solution - gradient).norm(dim=1, keepdim=True)
        weight = (rest + 1e-9 * gradient.norm()).rsqrt()
    return solution
