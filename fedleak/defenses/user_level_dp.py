"""User-level differential privacy, with noise that the clients share."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Generator, Tensor

from fedleak.accounting.mechanism import Mechanism, Situation, Unproven
from fedleak.contracts.defense import Defense, defenses
from fedleak.errors import ConfigError
from fedleak.learning.stacked_defense import StackedDefense
from fedleak.learning.training import LocalTraining
from fedleak.learning.update import Update
from fedleak.settings.base import Amount, Count
from fedleak.settings.federation import FederationSettings

FINE = 1e-3
"""Step of a grid, as a share of a client's noise, up to which rounding is as good as none."""


@defenses.register("user-level-dp")
@dataclass(frozen=True, kw_only=True)
class UserLevelDP(Defense):
    """Clips the whole delta of a client to norm `max_norm` and adds its share of the noise that the sum is to have.

    Each of n clients adds N(0, (z max_norm)² / n), so that the sum over all has the noise that the paper has a trusted
    server add. Under secure aggregation the sum is all that the server sees; without, it sees messages with n times
    less variance. Who leaves takes its share of the noise along: what is proved goes by the fewest clients that a sum
    is opened over, the threshold. Epsilon is under replace-one, 2 max_norm apart: the noise is z / 2 of that.
    """

    paper: ClassVar = "https://arxiv.org/abs/1710.06963"
    cites: ClassVar = "mcmahan2018learning"
    adaptive_strategy: ClassVar[str] = (
        "clips its own updates alike, and takes the likelihood of the noise for its distance"
    )
    max_norm: Annotated[float, Field(gt=0)]
    """Greatest norm of a client's delta before the noise; infinity, without noise only, clips nothing."""
    noise_multiplier: Amount
    """Standard deviation of the noise of the sum, as a multiple of max_norm."""
    clients: Count
    """How many clients share the noise: all of the federation."""

    def __post_init__(self) -> None:
        if math.isinf(self.max_norm) and self.noise_multiplier:
            raise ConfigError("expected a finite max_norm where there is noise, got inf; noise goes by the norm")

    def settings(self, federation: FederationSettings) -> FederationSettings:
        if federation.clients != self.clients:
            raise ConfigError(
                f"'{self.name}' shares its noise among clients = {self.clients}, and the federation has "
                f"{federation.clients}; give the same number"
            )
        return federation

    @property
    def std(self) -> float:
        """Standard deviation of one client's share of the noise, in units of a weight."""
        if self.noise_multiplier == 0:
            return 0.0
        return self.noise_multiplier * self.max_norm / math.sqrt(self.clients)

    def protect(self, update: Update, rng: Generator) -> Update:
        vector = self.relaxed(update).vector()
        return update.with_vector(vector + self.std * torch.randn(vector.shape, generator=rng).to(vector.device))

    def mechanism(self, situation: Situation) -> Mechanism | Unproven:
        if situation.view == "message":
            return Mechanism(noise=self.std, contribution=self.max_norm, protects="client")
        if situation.federation.batches == "all":
            return Unproven(
                f"'{self.name}' needs clients that weigh the same in the sum, and with batches = \"all\" they weigh by "
                "their numbers of examples; give batches as a number"
            )
        if self.std and situation.grid > FINE * self.std:
            return Unproven(
                f"'{self.name}' shares its noise, which proves something of an exact sum alone: parts of a sum must be "
                "rounded to much finer steps than their noise, and not cut; take ring_bits = 64 and more fraction_bits"
            )
        noise = self.std * math.sqrt(situation.summands)  # of those alone who are sure to be in the sum
        return Mechanism(noise=noise, contribution=self.max_norm, protects="client")

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
