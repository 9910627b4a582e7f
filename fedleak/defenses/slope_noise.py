"""Isotropic Gaussian noise on the gradients that the active party sends, after clipping."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float, Num
from pydantic import Field
from torch import Generator, Tensor

from fedleak.contracts.defense import Defense, defenses
from fedleak.settings.base import Amount


@defenses.register("slope-noise")
@dataclass(frozen=True, kw_only=True)
class SlopeNoise(Defense):
    """Adds isotropic Gaussian noise to the gradient for every embedding, which tells the label of its row.

    Its length is about `ratio` times that of the longest gradient of the batch, as in the paper's `iso`. Before that a
    gradient longer than `max_norm` is scaled down to it, so that labels show less in lengths. Nothing is proved of it:
    the noise goes by the batch, and a party that is sent the gradient of a row anew in every epoch has fresh noise to
    average over.
    """

    paper: ClassVar = "https://arxiv.org/abs/2102.08504"
    cites: ClassVar = "li2022label"
    ratio: Amount
    """Root mean square length of the noise, in units of the batch's longest gradient: std is ratio x longest / √d."""
    max_norm: Annotated[float, Field(gt=0)] | None = None
    """Greatest norm of an example's gradient of the mean loss, as it is sent; None clips nothing."""

    def slope(
        self, slope: Float[Tensor, "batch *embedding"], labels: Num[Tensor, "batch *classes"], rng: Generator
    ) -> Float[Tensor, "batch *embedding"]:
        flat = slope.flatten(1)
        if self.max_norm is not None:
            flat = flat * (self.max_norm / flat.norm(dim=1, keepdim=True)).clamp_max(1.0)
        if self.ratio:
            std = self.ratio * flat.norm(dim=1).max() / math.sqrt(flat.shape[1])
            flat = flat + std * torch.randn(flat.shape, generator=rng, dtype=flat.dtype)
        return flat.reshape(slope.shape)
