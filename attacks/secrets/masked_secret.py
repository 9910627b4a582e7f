"""Masked secret: what stands in masked places of a known text, by what is before and behind them."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.released import Released

from ..parts.secrets.ranking import ranking


@attacks.register("masked-secret")
@dataclass(frozen=True, kw_only=True)
class MaskedSecret(Attack[Released]):
    """Fills masked digits in all ways there are, and ranks them by how probable a released model makes the whole text.

    That is with the known digits and the text behind the masked ones, which are the likelier the righter these are.
    """

    paper: ClassVar = "https://arxiv.org/abs/2302.00539"
    cites: ClassVar = "lukas2023analyzing"

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"secrets"})

    def reconstruct(self, observation: Released, rng: Generator) -> Reconstruction:  # noqa: ARG002
        return ranking(observation, whole=True)
