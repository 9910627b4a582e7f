"""The contract of an attack, and the registry that finds attacks by name."""

from abc import ABC, abstractmethod
from typing import Literal

from torch import Generator

from fedleak.contracts.chain import Chain
from fedleak.contracts.observation import Observation
from fedleak.contracts.plugin import Plugin, Registry
from fedleak.contracts.reconstruction import Kind, Reconstruction

Want = Literal["others", "candidates"]
"""A field of an `Observation` that costs something to fill and is left empty unless an attack wants it."""


class Attack(Plugin, ABC):
    """Turns an observation into a guess, without ever touching the truth.

    The same observation and an equally seeded `rng` give the same guess. The observation is not changed. Where the
    attack does not apply or diverges it returns `Reconstruction.failed(reason)`; an exception is a bug.
    """

    @property
    def wants(self) -> frozenset[Want]:
        """What else the attack works on than one message and public data: what the attacks within it want."""
        inner = [value for value in vars(self).values() if isinstance(value, Attack)]
        return frozenset(want for attack in inner for want in attack.wants)

    def adapts_to(self, chain: Chain) -> bool:
        """Whether it takes a chain of defenses into account; here: whether an attack within it does."""
        return any(value.adapts_to(chain) for value in vars(self).values() if isinstance(value, Attack))

    @property
    def answers(self) -> frozenset[Kind]:
        """What it guesses: an experiment that names no metrics is scored by those that judge this."""
        return frozenset({"inputs", "labels"})

    @abstractmethod
    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:
        """The attacker's best guess at the examples behind the update."""


attacks: Registry[Attack] = Registry("attack", "fedleak.attacks")
