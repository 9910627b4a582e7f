"""Secret ranking: every secret that there may be by how probable a released model makes it."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.released import Released

from ..parts.secrets.ranking import ranking


@attacks.register("secret-ranking")
@dataclass(frozen=True, kw_only=True)
class SecretRanking(Attack[Released]):
    """Ranks all secrets of the known format by the log-probability of their digits after the text in front of them.

    Secrets that begin alike share what the model says of their beginnings, so that all of four digits take 1,111
    windows. The order has the exposure of the secret in it, and its first is the guess.
    """

    paper: ClassVar = "https://arxiv.org/abs/1802.08232"
    cites: ClassVar = "carlini2019secret"

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"secrets"})

    def reconstruct(self, observation: Released, rng: Generator) -> Reconstruction:  # noqa: ARG002
        return ranking(observation)
