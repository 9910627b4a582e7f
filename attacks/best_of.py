"""Several runs of another attack."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.settings import Count

from .parts.restarts import best_of


@attacks.register("best-of")
@dataclass(frozen=True, kw_only=True)
class BestOf(Attack):
    """Runs an attack from several starts and keeps the guess of lowest mismatch: the attacker's own choice.

    For gradient matching this is what an adversary with time does; it never looks at the quality of the guess.
    """

    paper: ClassVar = "https://arxiv.org/abs/2003.14053"
    bibtex: ClassVar = """@inproceedings{geiping2020inverting,
  title = {Inverting Gradients -- How easy is it to break privacy in federated learning?},
  author = {Geiping, Jonas and Bauermeister, Hartmut and Dr{\\"o}ge, Hannah and Moeller, Michael},
  booktitle = {Advances in Neural Information Processing Systems}, volume = {33}, year = {2020},
  url = {https://arxiv.org/abs/2003.14053}
}"""
    attack: Attack
    """The attack that is repeated."""
    restarts: Count = 8
    """How often."""

    @property
    def answers(self) -> frozenset[Kind]:
        return self.attack.answers

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:
        return best_of(lambda dice: self.attack.reconstruct(observation, dice), self.restarts, rng)
