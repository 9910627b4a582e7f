"""The contract of an attack, and the registry that finds attacks by name."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal

from torch import Generator

from fedleak.contracts.chain import Chain
from fedleak.contracts.observation import Observation
from fedleak.contracts.plugin import Plugin, Registry
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.errors import NotApplicable
from fedleak.learning.layers import twice_differentiable

Requirement = Literal["others", "candidates"]
"""A field of an `Observation` that costs something to fill and is left empty unless an attack requires it."""


class Attack(Plugin, ABC):
    """Turns an observation into a guess, without ever touching the truth.

    An attack implements `reconstruct`; whoever wants its guess calls `run`. The same observation and an equally seeded
    `rng` give the same guess. The observation is not changed. Where the attack does not apply it raises
    `NotApplicable(reason)`, anywhere within it; any other exception is a bug.
    """

    renamed: ClassVar[Mapping[str, str]] = {"wants": "requires", "answers": "targets"}

    @property
    def requires(self) -> frozenset[Requirement]:
        """What the attack works on besides one message and public data: here what the attacks within it require."""
        inner = [value for value in vars(self).values() if isinstance(value, Attack)]
        return frozenset(field for attack in inner for field in attack.requires)

    def adapts_to(self, chain: Chain) -> bool:
        """Whether it takes a chain of defenses into account; here: whether an attack within it does."""
        return any(value.adapts_to(chain) for value in vars(self).values() if isinstance(value, Attack))

    @property
    def targets(self) -> frozenset[Kind]:
        """What it guesses: an experiment that names no metrics is scored by those that judge this."""
        return frozenset({"inputs", "labels"})

    def run(self, observation: Observation, rng: Generator) -> Reconstruction:
        """The guess; a failed one, with the reason, where the attack does not apply."""
        try:
            with twice_differentiable():
                return self.reconstruct(observation, rng)
        except NotApplicable as refusal:
            return Reconstruction.failed(str(refusal))

    @abstractmethod
    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:
        """The attacker's best guess at the examples behind the update; raises `NotApplicable` where there is none."""


attacks: Registry[Attack] = Registry("attack", "fedleak.attacks")
