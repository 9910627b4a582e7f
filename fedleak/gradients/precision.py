"""Floating-point precision: weights in another one, and how far apart its numbers lie."""

import torch
from torch import Tensor

from fedleak.learning.weights import Weights


def in_dtype(weights: Weights, dtype: torch.dtype) -> Weights:
    """A copy with every floating-point tensor in `dtype`; counters keep theirs."""
    copy = weights.clone()
    return Weights(
        {name: value.to(dtype) for name, value in copy.parameters.items()},
        {name: value.to(dtype) if value.is_floating_point() else value for name, value in copy.buffers.items()},
    )


def spacing(values: Tensor) -> Tensor:
    """The distance of each entry's magnitude to the next number of its precision; rounding is off by half, at most.

    In the root mean square it is off by `spacing / √12`.
    """
    size = values.abs()
    return torch.nextafter(size, torch.full_like(size, torch.inf)) - size
