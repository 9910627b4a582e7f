"""The contract of a rule that reads labels off an update: an attack of its own, and a part of matching attacks."""

from abc import ABC, abstractmethod

from jaxtyping import Int
from torch import Generator, Tensor

from fedleak.contracts.attack import Attack
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Kind, Reconstruction


class LabelRule(Attack, ABC):
    """Guesses labels alone, by a closed rule; any attack that needs labels takes one: `labels = "ilrg"`."""

    @property
    def answers(self) -> frozenset[Kind]:
        return frozenset({"labels"})

    @abstractmethod
    def infer(self, observation: Observation, rng: Generator) -> Int[Tensor, " guesses"] | str:
        """The labels in ascending order, one for each example unless the rule tells less; or why it cannot tell."""

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:
        found = self.infer(observation, rng)
        return Reconstruction.failed(found) if isinstance(found, str) else Reconstruction(labels=found)
