"""Local differential privacy of whole updates."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Generator, Tensor

from fedleak.accounting.declared import Declared
from fedleak.accounting.gaussian import noise_multiplier_for
from fedleak.accounting.mechanism import Mechanism, Situation
from fedleak.contracts.defense import Defense, defenses
from fedleak.errors import ConfigError
from fedleak.learning.stacked_defense import StackedDefense
from fedleak.learning.training import LocalTraining
from fedleak.learning.update import Update


@defenses.register("local-dp")
@dataclass(frozen=True, kw_only=True)
class LocalDP(Defense):
    """Clips the weight delta to norm `max_norm` and adds the least normal noise for (epsilon, delta) in each round.

    By the analytic Gaussian mechanism, exact at any epsilon. Two clients' clipped updates are at most 2 max_norm apart,
    which is the sensitivity: whoever sees a message can hardly tell whose data, or which, it was made from.
    """

    paper: ClassVar = "https://arxiv.org/abs/1805.06530"
    cites: ClassVar = "balle2018improving"
    adaptive_strategy: ClassVar[str] = (
        "clips its own updates alike, and takes the likelihood of the noise for its distance"
    )
    epsilon: Annotated[float, Field(gt=0)]
    """Of one round, under replace-one; infinity adds no noise. Over rounds it grows, see `fedleak.accounting`."""
    delta: Annotated[float, Field(gt=0, lt=1)]
    """Chance of an exception; below one in the number of clients."""
    max_norm: Annotated[float, Field(gt=0)]
    """Greatest norm of the delta before the noise; infinity, without noise only, clips nothing."""

    def __post_init__(self) -> None:
        if math.isinf(self.max_norm) and math.isfinite(self.epsilon):
            raise ConfigError("expected a finite max_norm for a finite epsilon, got inf; noise goes by the norm")

    @property
    def declared(self) -> Declared:
        return Declared(epsilon=self.epsilon, delta=self.delta)

    @property
    def std(self) -> float:
        """Standard deviation of the noise in units of a weight."""
        if math.isinf(self.epsilon):
            return 0.0
        return 2 * self.max_norm * noise_multiplier_for(self.epsilon, self.delta)

    def protect(self, update: Update, rng: Generator) -> Update:
        vector = self.relaxed(update).vector()
        return update.with_vector(vector + self.std * torch.randn(vector.shape, generator=rng).to(vector.device))

    def mechanism(self, situation: Situation) -> Mechanism | None:
        return Mechanism(noise=self.std, contribution=self.max_norm, protects="client")

    @property
    def stacked(self) -> StackedDefense:
        return StackedDefense(update_norm=self.max_norm, update_noise=self.std)

    def noise(self, training: LocalTraining) -> float:
        return self.std

    def relaxed(self, given: Update) -> Update:
        return given.clipped(self.max_norm)

    def negative_log_likelihood(self, given: Update, sent: Update) -> Float[Tensor, ""] | None:
        if self.std == 0:
            return None
        return (self.relaxed(given).vector() - sent.vector()).square().sum() / (2 * self.std**2)
