"""The contract of an attack, and the registry that finds attacks by name."""

from abc import ABC, abstractmethod

from torch import Generator

from fedleak.observation import Observation
from fedleak.plugin import Plugin
from fedleak.reconstruction import Reconstruction
from fedleak.registry import Registry


class Attack(Plugin, ABC):
    """Turns an observation into a guess, without ever touching the truth.

    The same observation and an equally seeded `rng` give the same guess. The observation is not changed. Where the
    attack does not apply or diverges it returns `Reconstruction.failed(reason)`; an exception is a bug.
    """

    @abstractmethod
    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:
        """The attacker's best guess at the examples behind the update."""


attacks: Registry[Attack] = Registry("attack", "fedleak.attacks")
