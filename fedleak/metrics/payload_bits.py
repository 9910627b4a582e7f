"""Payload bits: the share of a client's hidden bits that are right after errors were corrected."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Bool, Float
from torch import Tensor

from fedleak.contracts.metric import metrics
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.goals.payload import BitsMetric
from fedleak.learning.hidden import Hidden


@metrics.register("payload-bits")
@dataclass(frozen=True, kw_only=True)
class PayloadBits(BitsMetric):
    """Share of the bits of a client's payload that are right after the reader corrected errors; guessing has a half."""

    paper: ClassVar = "https://arxiv.org/abs/1709.07886"
    cites: ClassVar = "song2017machine"

    def true_bits(self, hidden: Hidden) -> Bool[Tensor, " bits"] | None:
        return hidden.bits

    def said_bits(self, guess: Reconstruction) -> Float[Tensor, "clients bits"] | None:
        return guess.payload_bits
