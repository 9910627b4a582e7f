"""Channel bits: the share of the bits written for a client that are read right, before any correction."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Bool, Float
from torch import Tensor

from fedleak.contracts.metric import metrics
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.goals.payload import BitsMetric
from fedleak.learning.hidden import Hidden


@metrics.register("channel-bits")
@dataclass(frozen=True, kw_only=True)
class ChannelBits(BitsMetric):
    """Share of the bits written for a client that are read right before any correction; stands beside a verdict."""

    paper: ClassVar = "https://arxiv.org/abs/1709.07886"
    cites: ClassVar = "song2017machine"
    speaks: ClassVar = False

    def true_bits(self, hidden: Hidden) -> Bool[Tensor, " bits"] | None:
        return hidden.channel

    def said_bits(self, guess: Reconstruction) -> Float[Tensor, "clients bits"] | None:
        return guess.payload_channel
