"""On which side of a kink an entry lies that is too near to it for noise: settled by the next layer's equations.

The derivative behind a LeakyReLU depends on the side that each of its inputs was on. A small feature of the wrong sign
makes the derivative wrong by a factor there, and its filter's gradient equations with it; no other single error does
as much harm on the way back through the layers.
"""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool
from torch import Tensor

from .activation_inverses import unbent
from .layer_equations import Vector
from .layer_solution import Layer, Solved, solve

DOUBT = 50.0
"""How many times its likely error a feature must be for its sign to be trusted."""
MOST = 64
"""Features that are doubted at most, the smallest."""
SURE = 9.0
"""Variances that a change of side must take off the squared residual."""
TURNS = 4
"""How often sides are changed and the equations solved again, at most."""


def settle(layer: Layer, below: float) -> Solved:
    """The input under the sides that the equations like best, starting from the features' signs."""
    positive = layer.features > 0
    best = solve(layer, unbent(layer.features, positive, below))
    size = layer.features.abs().flatten()
    smallest = size.argsort(stable=True)[:MOST]
    doubtful = smallest[size[smallest] < DOUBT * layer.error * size.square().mean().sqrt()]
    for _ in range(TURNS):
        changed = _better_sides(layer, best, doubtful, positive, below)
        if torch.equal(changed, positive):
            break
        trial = solve(layer, unbent(layer.features, changed, below))
        if trial.left >= best.left:
            break
        best, positive = trial, changed
    return best


def _better_sides(
    layer: Layer, solved: Solved, doubtful: Tensor, positive: Bool[Tensor, "filters rows columns"], below: float
) -> Bool[Tensor, "filters rows columns"]:
    """Changes one side after the other while that takes more off the squared residual than noise would.

    To first order a slope t that is off by δ changes the residual r by `-δ J`, J being the feature's part of its
    filter's gradient, less what the input can make up for.
    """
    if not len(doubtful):
        return positive
    pull, curvature = _influence(layer, solved, doubtful)
    side = positive.flatten()[doubtful].numpy().copy()
    for _ in range(2 * len(side)):
        change = np.where(side, below - 1.0, 1.0 - below)
        gain = change**2 * curvature.diagonal() - 2 * change * pull
        place = int(gain.argmin())
        if gain[place] > -SURE * solved.variance:
            break
        pull = pull - change[place] * curvature[:, place]
        side[place] = ~side[place]
    sides = positive.flatten().clone()
    sides[doubtful] = torch.from_numpy(side)
    return sides.reshape(positive.shape)


def _influence(layer: Layer, solved: Solved, doubtful: Tensor) -> tuple[Vector, Vector]:
    """`Jᵀ r` and `Jᵀ P J` for the slopes of doubtful features, P projecting away what a change of input explains."""
    module, equations = layer.module, solved.equations
    filters, channels = layer.weight.shape[:2]
    image = torch.from_numpy(solved.inputs).reshape(1, *layer.shape)
    patches = F.unfold(image, module.kernel_size, module.dilation, module.padding, module.stride)[0]  # type: ignore[arg-type]
    places = patches.shape[1]
    which, where = (doubtful // places).numpy(), doubtful % places
    part = patches[:, where] * layer.derivative.flatten()[doubtful] / _scale(layer)
    parts = part.reshape(channels, -1, len(doubtful)).permute(2, 1, 0).numpy()  # doubtful, taps, channels
    residual = equations.residuals(solved.inputs)[1].reshape(filters, -1, channels)
    pull = np.einsum("itc,itc->i", residual[which], parts)
    same = which[:, None] == which[None]
    direct = np.einsum("itc,jtc->ij", parts, parts) * same
    rows = equations.derivatives.toarray().reshape(filters, parts.shape[1], -1)
    moved = np.einsum("itp,itc->cpi", rows[which], parts).reshape(-1, len(which))
    return pull, direct - moved.T @ solved.factor.solve(moved)


def _scale(layer: Layer) -> float:
    """What the equations divide the gradient by."""
    return float(layer.gradient.square().mean().sqrt().clamp_min(1e-300))
