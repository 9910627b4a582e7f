"""Secret ranking on a service: every secret that there may be by how probable its answers make it."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.served import Served
from fedleak.settings.base import Count

from ..parts.secrets.ranking import REPEATS, ranking


@attacks.register("served-secret-ranking")
@dataclass(frozen=True, kw_only=True)
class ServedSecretRanking(Attack[Served]):
    """Ranks all secrets of the known format by the log-probability of their digits after the text in front of them.

    Secrets that begin alike share what is answered of their beginnings, so that all of four digits take 1,111
    windows. The order has the exposure of the secret in it, and its first is the guess.

    Where noise is added to answers the mean answer to the same question counts, as the budget allows.
    """

    paper: ClassVar = "https://arxiv.org/abs/1802.08232"
    cites: ClassVar = "carlini2019secret"
    repeats: Count = REPEATS
    """How often the same is asked where answers are known to be noisy; else once."""

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"secrets"})

    def adapts_to(self, chain: Chain) -> bool:
        return chain.answer_noise > 0

    def reconstruct(self, observation: Served, rng: Generator) -> Reconstruction:  # noqa: ARG002
        return ranking(observation, repeats=self.repeats)
