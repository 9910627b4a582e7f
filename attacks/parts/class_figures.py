"""What a sketch of a gradient has of each class, in figures that mean the same for every class."""

import torch
from jaxtyping import Float
from torch import Tensor

from .rehearsal import Sketches

RESOLUTION = 1e3
"""Errors are told apart by their logarithm down to one over this."""


def described(sketches: Sketches, floor: float) -> Float[Tensor, "rows figures"]:
    """For each class of each batch what tells of its count, beside what the whole batch is like."""
    bias, own = sketches.bias, sketches.by_class.diagonal(dim1=1, dim2=2)
    from_others, to_others = sketches.by_class.sum(2) - own, sketches.by_class.sum(1) - own
    columns = sketches.columns
    lowest, sizes = columns.amin(2), columns.abs()
    figures = [
        *map(_logarithm, (bias, own, from_others, to_others, lowest, columns.sum(2))),
        *(figure for value in (bias, own) for figure in (_logarithm(_total(value)), _evenness(value))),
        (lowest < -floor).double().mean(1, keepdim=True),
        *map(_relative, (bias, own)),
        *map(_rank, (bias, own)),
        lowest / sizes.amax(2).clamp_min(1e-300),
        (-columns).clamp_min(0.0).sum(2) / sizes.sum(2).clamp_min(1e-300),
        (columns < -floor).double().mean(2),
        torch.arange(bias.shape[1]),
    ]
    return torch.stack([value.double().expand(bias.shape) for value in figures], 2).flatten(0, 1)


def _logarithm(values: Tensor) -> Tensor:
    return values.sign() * (RESOLUTION * values.abs()).log1p()


def _total(values: Float[Tensor, "batches classes"]) -> Float[Tensor, "batches 1"]:
    return values.abs().sum(1, keepdim=True)


def _evenness(values: Float[Tensor, "batches classes"]) -> Float[Tensor, "batches 1"]:
    """The entropy of what each class has of the total: low where a batch is of few classes."""
    shares = values.abs() / _total(values).clamp_min(1e-300)
    return -(shares * shares.clamp_min(1e-300).log()).sum(1, keepdim=True)


def _relative(values: Float[Tensor, "batches classes"]) -> Float[Tensor, "batches classes"]:
    return values / _total(values).clamp_min(1e-300)


def _rank(values: Float[Tensor, "batches classes"]) -> Float[Tensor, "batches classes"]:
    return values.argsort(dim=1, stable=True).argsort(dim=1, stable=True).double() / values.shape[1]
