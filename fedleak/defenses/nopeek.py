"""NoPeek: distance correlation as a penalty."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.defense import Defense, defenses
from fedleak.settings.base import Amount


@defenses.register("nopeek")
@dataclass(frozen=True, kw_only=True)
class NoPeek(Defense):
    """Penalizes the distance correlation of a passive party's columns and of what it sends of them.

    Each passive party trains its bottom network by the mean loss + weight x R(columns, embedding), of every batch by
    itself. The active party sends no embedding and has no penalty. Nothing is proved of it: a low correlation of
    distances does not say that columns cannot be found, and what is sent before training has lowered it is not covered.
    R is of a batch: of small ones with many columns it is far above 0 also where both are independent.
    """

    paper: ClassVar = "https://arxiv.org/abs/2008.09161"
    cites: ClassVar = "vepakomma2020nopeek"
    weight: Amount
    """Of the correlation, which is from 0 to 1, beside the loss."""

    def penalty(
        self, inputs: Float[Tensor, "batch *own"], embedding: Float[Tensor, "batch *embedding"]
    ) -> Float[Tensor, ""] | None:
        return self.weight * distance_correlation(inputs, embedding) if self.weight else None


def distance_correlation(one: Float[Tensor, "batch *ones"], other: Float[Tensor, "batch *others"]) -> Float[Tensor, ""]:
    """Székely's R of two samples, `sqrt(V²(x, y) / sqrt(V²(x, x) V²(y, y)))`; 0, and flat, where one is constant.

    V² is the mean product of distances that are centered in rows and columns. Source: Székely, Rizzo and Bakirov 2007,
    https://doi.org/10.1214/009053607000000505.
    """
    first, second = _centered_distances(one), _centered_distances(other)
    product, scale = (first * second).mean(), first.square().mean() * second.square().mean()
    some = (product > 0) & (scale > 0)
    # Where a root has no slope, one is taken of something else, so that nothing that is not a number comes back.
    ratio = torch.where(some, product, 1.0) / torch.where(some, scale, 1.0).sqrt()
    return torch.where(some, ratio.sqrt(), 0.0 * product)


def _centered_distances(sample: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch batch"]:
    rows = sample.flatten(1)
    distances = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")
    return distances - distances.mean(0) - distances.mean(1, keepdim=True) + distances.mean()
