"""The head's bias gradient, or what stands for it where the head has no bias."""

import torch
from jaxtyping import Float
from torch import Tensor

from .head import HeadGradient


def bias_gradient(gradient: HeadGradient) -> Float[Tensor, " classes"]:
    """The bias gradient; without a bias, the head's rows along their main direction (right up to a positive factor).

    Row i is `Σ_j (p_ji - y_ji) h_j / K`, nearly parallel to the mean features; of one example the row of its class
    alone points the other way. Source: https://arxiv.org/abs/2001.02610
    """
    if gradient.bias is not None:
        return gradient.bias
    _, _, directions = torch.linalg.svd(gradient.weight, full_matrices=False)
    direction: Tensor = directions[0]
    rounding = 1e-5 * direction.abs().max()
    if (direction > -rounding).all() or (direction < rounding).all():
        # Features that are never negative (ReLU, sigmoid) tell which way their mean points.
        return gradient.weight @ direction.abs()
    along = gradient.weight @ direction
    return along if along.max() < -along.min() else -along
