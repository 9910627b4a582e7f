"""Distances between gradients: each takes the observed gradient once and returns what an attack minimises."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

Distance = Callable[[Sequence[Tensor]], Float[Tensor, ""]]
"""From a dummy gradient, one tensor for each parameter, to a loss that is 0 where it equals the observed one."""
DistanceTo = Callable[[Sequence[Tensor]], Distance]
"""From the observed gradient to a `Distance`."""


def squared(observed: Sequence[Tensor]) -> Distance:
    """`|g - o|² / |o|²`: the objective of DLG, relative to the observed length so that tolerances have a meaning.

    Source: https://arxiv.org/abs/1906.08935
    """
    scale = 1.0 / inner(observed, observed)

    def distance(gradients: Sequence[Tensor]) -> Tensor:
        differences = [gradient - target for gradient, target in zip(gradients, observed, strict=True)]
        return scale * inner(differences, differences)

    return distance


def cosine(observed: Sequence[Tensor]) -> Distance:
    """`1 - cos(g, o)` over all parameters at once; blind to the length of the update.

    Source: https://arxiv.org/abs/2003.14053
    """
    length = inner(observed, observed).sqrt()
    targets = [target / length for target in observed]

    def distance(gradients: Sequence[Tensor]) -> Tensor:
        return 1.0 - inner(gradients, targets) * torch.rsqrt(inner(gradients, gradients).clamp_min(_TINY))

    return distance


def squared_up_to_length(observed: Sequence[Tensor]) -> Distance:
    """`min over s of |s g - o|² / |o|²`, which is `1 - cos²`: for an update whose length says nothing."""
    to_direction = cosine(observed)
    return lambda gradients: 1.0 - (1.0 - to_direction(gradients)) ** 2


def inner(one: Sequence[Tensor], other: Sequence[Tensor]) -> Float[Tensor, ""]:
    """The inner product of two gradients; tensor by tensor, so that none is copied into one long vector."""
    products = [left.reshape(-1).dot(right.reshape(-1)) for left, right in zip(one, other, strict=True)]
    return torch.stack(products).sum()


_TINY = 1e-30
