"""Secret beam search: the likeliest secret by a released model, digit by digit."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.released import Released
from fedleak.settings.base import Count

from ..parts.secrets.ranking import ranking


@attacks.register("secret-beam-search")
@dataclass(frozen=True, kw_only=True)
class SecretBeamSearch(Attack[Released]):
    """Goes on with the few beginnings at each digit that the released model makes likeliest, and ranks what is left.

    The paper's shortest path search is exact; a beam that is wide enough is too, and ranks all that there is.
    """

    paper: ClassVar = "https://arxiv.org/abs/1802.08232"
    cites: ClassVar = "carlini2019secret"
    width: Count = 10
    """Beginnings that are gone on with at each digit."""

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"secrets"})

    def reconstruct(self, observation: Released, rng: Generator) -> Reconstruction:  # noqa: ARG002
        return ranking(observation, width=self.width)
