"""Gradient distances: each takes the observed gradient once and returns what an attack minimizes."""

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


def gaussian(width: float) -> DistanceTo:
    """`mean over tensors of 1 - exp(-|g - o|² / (width |o|)²)`: each adapts to its own length, none outweighs others.

    Nearly flat where a tensor is further off than its width, so that what cannot be matched yet does not pull.
    Source: https://arxiv.org/abs/2009.06228
    """

    def to(observed: Sequence[Tensor]) -> Distance:
        scales = [1.0 / (width**2 * inner([target], [target])).clamp_min(_TINY) for target in observed]

        def distance(gradients: Sequence[Tensor]) -> Tensor:
            off = [(gradient - target).square().sum() for gradient, target in zip(gradients, observed, strict=True)]
            each = [-torch.expm1(-scale * square) for scale, square in zip(scales, off, strict=True)]
            return torch.stack(each).mean()

        return distance

    return to


def up_to_length(distance: DistanceTo) -> DistanceTo:
    """The distance once the dummy gradient has the observed length: for an update whose length says nothing."""

    def to(observed: Sequence[Tensor]) -> Distance:
        near, square = distance(observed), inner(observed, observed)

        def rescaled(gradients: Sequence[Tensor]) -> Tensor:
            scale = (square / inner(gradients, gradients).clamp_min(_TINY)).sqrt()
            return near([scale * gradient for gradient in gradients])

        return rescaled

    return to


def on_largest(share: float, distance: DistanceTo) -> DistanceTo:
    """The distance over that share of each tensor's entries whose observed size is largest: a partial match.

    Source: https://arxiv.org/abs/2506.08435
    """

    def to(observed: Sequence[Tensor]) -> Distance:
        masks = [_largest(target, share) for target in observed]
        near = distance([mask * target for mask, target in zip(masks, observed, strict=True)])
        return lambda gradients: near([mask * gradient for mask, gradient in zip(masks, gradients, strict=True)])

    return to


def times(weight: float, distance: DistanceTo) -> DistanceTo:
    """The distance with a weight, among terms that have theirs."""

    def to(observed: Sequence[Tensor]) -> Distance:
        near = distance(observed)
        return lambda gradients: weight * near(gradients)

    return to


def inner(first: Sequence[Tensor], second: Sequence[Tensor]) -> Float[Tensor, ""]:
    """The inner product of two gradients; tensor by tensor, so that none is copied into one long vector."""
    products = [left.reshape(-1).dot(right.reshape(-1)) for left, right in zip(first, second, strict=True)]
    return torch.stack(products).sum()


def _largest(target: Tensor, share: float) -> Tensor:
    """1 at the largest entries by size, at least one of them, 0 elsewhere."""
    kept = max(1, round(share * target.numel()))
    threshold = target.abs().flatten().kthvalue(target.numel() - kept + 1).values
    return (target.abs() >= threshold).to(target.dtype)


_TINY = 1e-30
