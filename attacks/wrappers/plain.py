"""Non-adaptive attacker: another attack that takes no notice of defenses."""

from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Generator

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Kind, Reconstruction


@attacks.register("plain")
@dataclass(frozen=True, kw_only=True)
class Plain(Attack):
    """Runs an attack as if no defense had acted: the control that shows what knowing the defense is worth.

    Every attack adapts to the chain by itself. One that seems to fail may only have been used in ignorance, which is
    how many defenses were judged. Masks of secure aggregation are not overlooked: they cannot be.
    """

    paper: ClassVar = "https://arxiv.org/abs/2112.00059"
    cites: ClassVar = "huang2021evaluating"
    attack: Attack
    """The attack that is kept in ignorance."""

    def adapts_to(self, chain: Chain) -> bool:  # noqa: ARG002
        return False

    @property
    def targets(self) -> frozenset[Kind]:
        return self.attack.targets

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:
        return self.attack.reconstruct(unaware(observation), rng)


def unaware(observation: Observation) -> Observation:
    """The observation, and those that come with it, without the chain of defenses."""
    others = tuple(unaware(other) for other in observation.others)
    return replace(observation, defense=Chain(), others=others)
