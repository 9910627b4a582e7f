"""Additive Laplace noise."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Generator, Tensor

from fedleak.contracts.defense import Defense, defenses
from fedleak.learning.training import LocalTraining
from fedleak.learning.update import Update

ROUNDED = 0.1
"""Share of the scale within which the tip of the likelihood is rounded off, so that it can be differentiated."""


@defenses.register("laplace-noise")
@dataclass(frozen=True, kw_only=True)
class LaplaceNoise(Defense):
    """Adds independent Laplace(0, scale) noise to every entry of the weight delta; its variance is 2 scale²."""

    paper: ClassVar = "https://doi.org/10.1007/11681878_14"
    cites: ClassVar = "dwork2006calibrating"
    adaptive_strategy: ClassVar[str] = "takes the likelihood of the noise for its distance"
    scale: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """Mean absolute value of the noise, in units of a weight."""

    def protect(self, update: Update, rng: Generator) -> Update:
        vector = update.vector()
        magnitude = torch.empty(vector.shape, dtype=vector.dtype).exponential_(generator=rng)
        sign = torch.randint(0, 2, vector.shape, generator=rng) * 2 - 1
        return update.with_vector(vector + (self.scale * sign * magnitude).to(vector.device))

    def noise(self, training: LocalTraining) -> float:
        return math.sqrt(2) * self.scale

    def negative_log_likelihood(self, given: Update, sent: Update) -> Float[Tensor, ""] | None:
        if self.scale == 0:
            return None
        off = (given.vector() - sent.vector()) / self.scale
        return ((off.square() + ROUNDED**2).sqrt() - ROUNDED).sum()
