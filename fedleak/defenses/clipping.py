"""Norm clipping."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Generator

from fedleak.contracts.defense import Defense, defenses
from fedleak.learning.stacked_defense import StackedDefense
from fedleak.learning.update import Update


@defenses.register("clipping")
@dataclass(frozen=True, kw_only=True)
class Clipping(Defense):
    """Scales the update down to Euclidean norm `max_norm`; a shorter update is left alone.

    The direction is unchanged, so on its own it hides nothing from an attack that compares directions.
    """

    paper: ClassVar = "https://arxiv.org/abs/1710.06963"
    cites: ClassVar = "mcmahan2018learning"
    adaptive_strategy: ClassVar[str] = "clips its own updates alike"
    keeps_direction: ClassVar[bool] = True
    max_norm: Annotated[float, Field(gt=0)]
    """Greatest norm of the weight delta that leaves the client; infinity clips nothing."""

    def protect(self, update: Update, rng: Generator) -> Update:
        return update.clipped(self.max_norm)

    @property
    def stacked(self) -> StackedDefense:
        return StackedDefense(update_norm=self.max_norm)

    def sensitivity_bound(self, norm: float) -> float:
        return min(norm, self.max_norm)

    def relaxed(self, given: Update) -> Update:
        return given.clipped(self.max_norm)
