"""Fishing: the examples of one class out of a sum, whose last layer a malicious server crafted, for another attack."""

from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Generator

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.manipulation import planted
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.subject import Subject
from fedleak.contracts.view import View
from fedleak.errors import NotApplicable

from ..parts.applicability import require_usable
from ..parts.isolation import caught

FISHING = "fishing"


@attacks.register("fished")
@dataclass(frozen=True, kw_only=True)
class Fished(Attack):
    """Takes the update of one class's examples out of a sum over all, and attacks that (Wen et al., `fishing`).

    The last layer that the server crafted gives no other example a gradient in front of it. How many there are says the
    target's bias; the rows of the other classes, which everybody has a part in, follow from the target's, so that
    nothing of what the attack within is shown is anybody else's. Of several examples it is the mean.

    Its guess is of the examples of that class, which the server named before anybody trained, and scored against all of
    those in the message: where several are mixed, or one was missed, the figure says so.
    """

    paper: ClassVar = "https://arxiv.org/abs/2202.00580"
    cites: ClassVar = "wen2022fishing"
    attack: Attack
    """The attack on the update of the class's examples."""

    @property
    def reads(self) -> frozenset[str]:
        return super().reads | {FISHING}

    @property
    def targets(self) -> frozenset[Kind]:
        return self.attack.targets

    def subject(self, view: View) -> Subject | None:
        target = _target(view)
        return None if target is None else Subject(label=target, counted=not view.defense.local)

    def adapts_to(self, chain: Chain) -> bool:
        return chain.protocol is not None or super().adapts_to(chain)

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:
        if observation.masked:
            raise NotApplicable("a message under its masks says nothing of anybody: attack the sum")
        require_usable(observation)
        target = _target(observation)
        if target is None:
            raise NotApplicable(f"the server fished for nothing: the attack reads what '{FISHING}' crafted")
        catch = caught(observation, target)
        guess = self.attack.reconstruct(catch.alone, rng)
        words = f"{catch.examples} of class {target} among {observation.examples()}"
        return replace(guess, note=f"{words}; {guess.note}" if guess.note else words)


def _target(view: View) -> int | None:
    """The class that the server fished for."""
    named = (one.options()["target_class"] for one in planted(view.manipulations) if one.name == FISHING)
    return next(named, None)
