"""Isolation: one client's part of a sum whose rest a malicious server silenced, for another attack."""

from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Generator

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.subject import Subject
from fedleak.contracts.view import View
from fedleak.errors import NotApplicable

from ..parts.applicability import require_usable
from ..parts.isolation import alone


@attacks.register("isolated")
@dataclass(frozen=True, kw_only=True)
class Isolated(Attack):
    """Takes one client's update out of a sum that a malicious server arranged, and attacks that.

    Where all other clients trained a model that says nothing of their examples (Pasquini et al., `inconsistency`), the
    sum is the victim's update times its weight in the mean. The attack within is shown an observation of the victim
    alone: of entries that others have a part in, as in the last layer's bias, it is told that they say nothing; of a
    single example under cross-entropy they follow from the rest, and nothing is hidden. Noise that defenses added is
    that of all clients, divided by the victim's weight. A message of one client is attacked as it is.

    Its guess is of the victim's examples, and scored against those.
    """

    paper: ClassVar = "https://arxiv.org/abs/2111.07380"
    cites: ClassVar = "pasquini2022eluding"
    attack: Attack
    """The attack on the victim's update."""

    @property
    def reads(self) -> frozenset[str]:
        return super().reads | {"inconsistency"}

    @property
    def targets(self) -> frozenset[Kind]:
        return self.attack.targets

    def subject(self, view: View) -> Subject | None:
        isolation = view.isolation if isinstance(view, Observation) else None
        if isolation is None:
            return None
        return Subject(client=isolation.victim, counted=isolation.examples is not None)

    def adapts_to(self, chain: Chain) -> bool:
        return chain.protocol is not None or super().adapts_to(chain)

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:
        if observation.masked:
            raise NotApplicable("a message under its masks says nothing of anybody: attack the sum")
        require_usable(observation)
        if len(observation.cohort) == 1:
            return self.attack.reconstruct(observation, rng)
        if observation.isolation is None:
            raise NotApplicable(
                "nothing in this message is of one client alone: it takes a server that isolates one, such as "
                "'inconsistency', and a round that its victim takes part in"
            )
        found = alone(observation, observation.isolation)
        guess = self.attack.reconstruct(found, rng)
        words = f"client {observation.isolation.victim} alone, out of a sum over {len(observation.cohort)}"
        if not observation.training.batches and observation.isolation.examples is None:
            words += f", whose number of examples is not known and taken for {found.examples()}"
        return replace(guess, note=f"{words}; {guess.note}" if guess.note else words)
