"""Secret beam search on a service: the likeliest secret by few answers, digit by digit."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.served import Served
from fedleak.settings.base import Count

from ..parts.secrets.ranking import REPEATS, ranking


@attacks.register("served-secret-beam-search")
@dataclass(frozen=True, kw_only=True)
class ServedSecretBeamSearch(Attack[Served]):
    """Goes on with the few beginnings at each digit that a service makes likeliest, and ranks what is left.

    The paper's shortest path search is exact; a beam that is wide enough is too, and ranks all that there is.

    Where noise is added to answers the mean answer to the same question counts, as the budget allows.
    """

    paper: ClassVar = "https://arxiv.org/abs/1802.08232"
    cites: ClassVar = "carlini2019secret"
    width: Count = 10
    """Beginnings that are gone on with at each digit."""
    repeats: Count = REPEATS
    """How often the same is asked where answers are known to be noisy; else once."""

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"secrets"})

    def adapts_to(self, chain: Chain) -> bool:
        return chain.answer_noise > 0

    def reconstruct(self, observation: Served, rng: Generator) -> Reconstruction:  # noqa: ARG002
        return ranking(observation, width=self.width, repeats=self.repeats)
