"""The head's bias gradient of a single example, from the gradient of its weight alone.

One example with features f and label y has under cross-entropy `G = d fᵀ` and `g_b = d`, `d = softmax(W f + b) - e_y`.
G tells both up to a factor: `f = c v`, `d = σ u / c` for its singular vectors u and v and its singular value σ. Where
features are never negative so is v, and then y is the one class with `u_y < 0`. What is left, c, solves
`|softmax(c W v + b) - e_y| c = σ`. Of two classes, or where the network is nearly sure, two lengths may.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Float64
from torch import Tensor

RANK_ONE = 1e-3
"""What the second singular value of a gradient may be of the first, for it to be one example's."""
LENGTHS = torch.logspace(-4, 6, 2000, dtype=torch.float64)
"""Lengths of the features between which solutions are looked for."""
HALVINGS = 60
FITS = 1e-3
"""How far the derivatives that a solution gives may be from those of the gradient, relative to their length."""


def bias_of_one(
    weight_gradient: Float[Tensor, "classes features"],
    weight: Float[Tensor, "classes features"],
    bias: Float[Tensor, " classes"],
) -> Float64[Tensor, " classes"] | None:
    """The bias gradient; None where the gradient is not that of one example under cross-entropy, or of two of them."""
    left, values, right = torch.linalg.svd(weight_gradient.double(), full_matrices=False)
    if not values[0] or (len(values) > 1 and values[1] > RANK_ONE * values[0]):
        return None
    sign = torch.sign(right[0].sum())
    slopes, features, size = sign * left[:, 0], sign * right[0], values[0]
    scores, offset = weight.double() @ features, bias.double()
    own = F.one_hot(slopes.argmin(), len(offset))

    def derivatives(length: Tensor) -> Tensor:
        posteriors: Tensor = (length[:, None] * scores + offset).softmax(1)
        return posteriors - own

    lengths = _roots(lambda length: derivatives(length).norm(dim=1) * length - size)
    found = derivatives(lengths)
    errors = (found - size / lengths[:, None] * slopes).norm(dim=1) / found.norm(dim=1).clamp_min(1e-300)
    fitting = lengths[errors < FITS]
    return size / fitting[0] * slopes if len(fitting) == 1 else None


def _roots(excess: Callable[[Tensor], Tensor]) -> Float64[Tensor, " roots"]:
    """Where it changes its sign, by halving."""
    signs = excess(LENGTHS) > 0
    changes = (signs[1:] != signs[:-1]).nonzero().flatten()
    low, high, above = LENGTHS[changes], LENGTHS[changes + 1], signs[changes]
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        same = (excess(middle) > 0) == above
        low, high = torch.where(same, middle, low), torch.where(same, high, middle)
    return (low + high) / 2
