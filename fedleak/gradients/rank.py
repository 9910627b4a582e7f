"""Numerical rank of a layer's weight gradient: how many examples it carries above its noise, and the factors.

A linear layer's weight gradient over K examples is `Σ_j d_j x_jᵀ`: the derivatives d_j by the layer's outputs times its
inputs x_j, so a matrix of rank K at most, plus the noise of rounding or of a defense.
"""

from dataclasses import dataclass
from math import sqrt

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from fedleak.contracts.observation import Observation
from fedleak.gradients.precision import spacing
from fedleak.learning.update import UpdateKind, reach

CLEAR = 3.0
"""How many times the largest singular value of pure noise one must be to count."""


@dataclass(frozen=True, kw_only=True)
class LowRank:
    """A weight gradient as `left @ right` plus noise, over the neurons and inputs that it speaks of at all."""

    left: Float[Tensor, "awake rank"]
    """Every entry has an independent error of standard deviation `noise`."""
    right: Float[Tensor, "rank features"]
    """Orthonormal rows that span the examples' inputs."""
    awake: Bool[Tensor, " neurons"]
    """The neurons whose gradient is not zero."""
    noise: float
    """Standard deviation of an entry's error: of rounding, or of the spectrum's tail where that is more."""
    tail: float
    """The largest singular value beyond the examples', in units of the largest that noise alone would bring."""

    @property
    def rank(self) -> int:
        return self.left.shape[1]


def low_rank(
    weight: Float[Tensor, "neurons features"], examples: int, rounding: float, clear: float = CLEAR
) -> LowRank:
    """The part of the gradient above its noise, of rank `examples` at most; `rounding` is what is known of the noise.

    Beyond as many singular values as there are examples there should be nothing but noise, and their median tells its
    size (a few that are more do not move it). The largest singular value of noise on n x m entries is about
    `(√n + √m)` times its standard deviation.
    """
    awake = weight.any(1)
    seen = weight.any(0)
    matrix = weight[awake][:, seen].double()
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    rows, columns = matrix.shape
    noise = max(_noise(values[examples:], rows - examples, columns - examples), rounding)
    edge = noise * (sqrt(rows) + sqrt(columns))
    rank = int((values[:examples] > clear * edge).sum())
    whole = torch.zeros(rank, weight.shape[1], dtype=torch.float64)
    whole[:, seen] = right[:rank]
    tail = float(values[examples]) / max(edge, 1e-300) if len(values) > examples else 0.0
    return LowRank(left=left[:, :rank] * values[:rank], right=whole, awake=awake, noise=noise, tail=tail)


def _noise(tail: Float[Tensor, " some"], rows: int, columns: int) -> float:
    """The standard deviation of noise of that shape whose singular values have that median.

    By the law of Marchenko and Pastur the squared median is nearly `1 - 0.35 β` times the longer side for a ratio of
    sides β. Source: https://doi.org/10.1109/TIT.2014.2323359
    """
    if min(rows, columns) <= 0:
        return 0.0
    share = 1.0 - 0.35 * min(rows, columns) / max(rows, columns)
    return float(tail.median()) / sqrt(share * max(rows, columns))


def rounding_of(observation: Observation, parameter: str) -> float:
    """Standard deviation of what single precision adds to an entry of the gradient of `parameter`, at least.

    A weight is off by up to half the distance to the next number, so `/ √12` in the root mean square, and the update's
    own arithmetic adds its share of the gradient.
    """
    gradient = observation.gradient()[parameter]
    computed = torch.finfo(gradient.dtype).eps * float(gradient.double().square().mean().sqrt())
    if observation.update.kind is UpdateKind.GRADIENT:
        return computed
    gap = spacing(observation.before.parameters[parameter])
    rounded = float(gap.double().square().mean().sqrt()) / sqrt(12)
    return computed + rounded / (reach(observation.training) or 1.0)


def outside(
    inputs: Float[Tensor, "guesses features"], span: Float[Tensor, "rank features"]
) -> Float[Tensor, " guesses"]:
    """The share of each input's length that is outside the span of orthonormal rows."""
    rest = inputs - inputs @ span.T @ span
    share: Tensor = rest.norm(dim=1) / inputs.norm(dim=1).clamp_min(1e-300)
    return share
