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
    target = joined(observed)
    scale = 1.0 / target.dot(target)

    def distance(gradients: Sequence[Tensor]) -> Tensor:
        difference = joined(gradients) - target
        return scale * difference.dot(difference)

    return distance


def cosine(observed: Sequence[Tensor]) -> Distance:
    """`1 - cos(g, o)` over all parameters at once; blind to the length of the update.

    Source: https://arxiv.org/abs/2003.14053
    """
    target = joined(observed)
    target = target / torch.linalg.vector_norm(target)

    def distance(gradients: Sequence[Tensor]) -> Tensor:
        dummy = joined(gradients)
        return 1.0 - dummy.dot(target) * torch.rsqrt(dummy.dot(dummy).clamp_min(_TINY))

    return distance


def squared_up_to_length(observed: Sequence[Tensor]) -> Distance:
    """`min over s of |s g - o|² / |o|²`, which is `1 - cos²`: for an update whose length says nothing."""
    to_direction = cosine(observed)
    return lambda gradients: 1.0 - (1.0 - to_direction(gradients)) ** 2


def joined(tensors: Sequence[Tensor]) -> Float[Tensor, " entries"]:
    """All tensors as one vector: one dot product instead of one for each layer."""
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


_TINY = 1e-30
