"""What DLG and iDLG share: L2, L-BFGS in float64; they differ in the labels alone."""

from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Generator

from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.settings import Amount, Count

from .distances import DistanceTo, squared, squared_up_to_length
from .evidence import length_unknown
from .lbfgs import lbfgs
from .matching import Matching
from .matching_attack import MatchingAttack
from .objective import Objective
from .variables import Variables


@dataclass(frozen=True, kw_only=True)
class DeepLeakage(MatchingAttack, ABC):
    """The L2 distance between gradients, brought down by L-BFGS."""

    steps: Count = 500
    """L-BFGS iterations of one attempt."""
    restarts: Count = 2
    """Attempts at most; a further one is made only while the mismatch is above `success`."""
    success: Amount = 1e-6
    """Mismatch (relative squared distance) at which an attempt counts as successful."""

    def descend(self, objective: Objective, starts: Sequence[Variables], rng: Generator) -> Reconstruction:
        """Attempts from the starts, each ended early when it stalls."""
        engine = Matching(
            optimiser=lbfgs(), steps=self.steps, success=self.success, patience=100, compiled=self.compiled
        )
        return engine.run(objective, starts, rng)


def l2(observation: Observation) -> DistanceTo:
    """The squared distance; up to length where the length of the update says nothing."""
    return squared_up_to_length if length_unknown(observation) else squared
