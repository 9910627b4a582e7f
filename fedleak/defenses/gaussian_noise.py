"""Additive Gaussian noise."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Generator, Tensor

from fedleak.accounting.mechanism import Mechanism, Situation
from fedleak.contracts.defense import Defense, defenses
from fedleak.learning.stacked_defense import StackedDefense
from fedleak.learning.training import LocalTraining
from fedleak.learning.update import Update


@defenses.register("gaussian-noise")
@dataclass(frozen=True, kw_only=True)
class GaussianNoise(Defense):
    """Adds independent N(0, std²) noise to every entry of the weight delta.

    `std` is absolute, on the delta as it is sent (so about learning_rate times what it is on a gradient). It proves
    something only right after `clipping`, which limits what the noise has to cover; `local-dp` is both in one.
    """

    paper: ClassVar = "https://doi.org/10.1561/0400000042"
    cites: ClassVar = "dwork2014algorithmic"
    adaptive_strategy: ClassVar[str] = "takes the likelihood of the noise for its distance"
    std: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """Standard deviation in units of a weight."""

    def protect(self, update: Update, rng: Generator) -> Update:
        vector = update.vector()
        return update.with_vector(vector + self.std * torch.randn(vector.shape, generator=rng).to(vector.device))

    def mechanism(self, situation: Situation) -> Mechanism | None:
        return Mechanism(noise=self.std, contribution=situation.norm, protects="client")

    @property
    def stacked(self) -> StackedDefense:
        return StackedDefense(update_noise=self.std)

    def noise(self, training: LocalTraining) -> float:
        return self.std

    def negative_log_likelihood(self, given: Update, sent: Update) -> Float[Tensor, ""] | None:
        if self.std == 0:
            return None
        return (given.vector() - sent.vector()).square().sum() / (2 * self.std**2)
