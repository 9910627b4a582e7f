"""Non-adaptive attacker: another attack that takes no notice of defenses."""

from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

from torch import Generator

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.released import Released
from fedleak.contracts.view import View

Seen = TypeVar("Seen", bound=View)


@attacks.register("plain")
@dataclass(frozen=True, kw_only=True)
class Plain(Attack[View]):
    """Runs an attack as if no defense had acted: the control that shows what knowing the defense is worth.

    Every attack adapts to the chain by itself. One that seems to fail may only have been used in ignorance, which is
    how many defenses were judged. Masks of secure aggregation are not overlooked: they cannot be.
    """

    paper: ClassVar = "https://arxiv.org/abs/2112.00059"
    cites: ClassVar = "huang2021evaluating"
    attack: Attack[View]
    """The attack that is kept in ignorance."""

    def adapts_to(self, chain: Chain) -> bool:  # noqa: ARG002
        return False

    @property
    def targets(self) -> frozenset[Kind]:
        return self.attack.targets

    def reconstruct(self, observation: View, rng: Generator) -> Reconstruction:
        return self.attack.reconstruct(unaware(observation), rng)


def unaware(view: Seen) -> Seen:
    """What is seen, and what comes with it of the same kind, without the chain of defenses."""
    bare = replace(view, defense=Chain())
    match bare:
        case Observation():
            return replace(bare, others=tuple(unaware(other) for other in bare.others))
        case Released():
            return replace(bare, earlier=tuple(unaware(other) for other in bare.earlier))
    return bare
