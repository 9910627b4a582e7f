"""Masked secret on a service: what stands in masked places, by answers on what is before and behind them."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.served import Served
from fedleak.settings.base import Count

from ..parts.secrets.ranking import REPEATS, ranking


@attacks.register("served-masked-secret")
@dataclass(frozen=True, kw_only=True)
class ServedMaskedSecret(Attack[Served]):
    """Fills masked digits in all ways there are, and ranks them by how probable a service makes the whole text.

    That is with the known digits and the text behind the masked ones, which are the likelier the righter these are.

    Where noise is added to answers the mean answer to the same question counts, as the budget allows.
    """

    paper: ClassVar = "https://arxiv.org/abs/2302.00539"
    cites: ClassVar = "lukas2023analyzing"
    repeats: Count = REPEATS
    """How often the same is asked where answers are known to be noisy; else once."""

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"secrets"})

    def adapts_to(self, chain: Chain) -> bool:
        return chain.answer_noise > 0

    def reconstruct(self, observation: Served, rng: Generator) -> Reconstruction:  # noqa: ARG002
        return ranking(observation, whole=True, repeats=self.repeats)
