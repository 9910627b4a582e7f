"""Secure aggregation as Flower ships it, for comparison: SecAgg+ by its own mod and workflow."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from jaxtyping import UInt32
from pydantic import Field

from fedleak.accounting.mechanism import cohort_of
from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import Defense, defenses
from fedleak.errors import ConfigError
from fedleak.learning.update import Update
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.settings.base import Rate
from fedleak.settings.federation import FederationSettings

ELEMENT_BYTES = 8
"""Of an element as Flower sends it: whatever the modulus, as int64."""


@defenses.register("secure-aggregation-flower")
@dataclass(frozen=True, kw_only=True)
class SecureAggregationFlower(Defense):
    """Hides each client's weights under Flower's own SecAgg+, mod and workflow unmodified, to be compared with ours.

    The protocol of Bell et al. (CCS'20) after Bonawitz et al. (CCS'17), as Flower has it: whole weights times the
    count of examples, clipped, rounded at random to a grid, under masks of numpy's Mersenne Twister. The number of
    examples and the metrics are in the clear. Who leaves before the masked vectors are asked for loses the round.
    """

    paper: ClassVar = "https://arxiv.org/abs/2205.06117"
    cites: ClassVar = "li2021secure"
    protocol: ClassVar[str | None] = "secure-aggregation-flower"
    trains_at_once: ClassVar[bool] = False
    adaptive_strategy: ClassVar[str] = (
        "matches the sum, as the update of one large batch; 'mask-search' opens single messages, by masks that have "
        "seeds of 28 bits"
    )
    num_shares: int | Annotated[float, Field(gt=0)] = 1.0
    """Into how many a client's secrets are split, one for each neighbour and itself; a float: as a share of all."""
    reconstruction_threshold: Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, le=1)] = 0.67
    """How many of them open a secret; a float: as a share of them, two at the least."""
    max_weight: Rate = 1000.0
    """Examples of a client that count as a weight of 1; more may overflow."""
    clipping_range: Rate = 8.0
    """Weights times their client's weight are cut to this, without a word."""
    quantization_range: Annotated[int, Field(ge=1)] = 4194304
    """Steps between the two ends of the clipping range; 2^22."""
    modulus_range: Annotated[int, Field(ge=2, le=2**32)] = 4294967296
    """Size of the ring that masks are drawn from, a power of two; 2^32."""
    timeout: Rate | None = None
    """Seconds for each stage; None: as long as any round may take."""

    def __post_init__(self) -> None:
        if self.modulus_range.bit_count() != 1 or self.modulus_range <= self.quantization_range:
            raise ConfigError(
                "expected a modulus_range that is a power of two above quantization_range = "
                f"{self.quantization_range}, got {self.modulus_range}"
            )
        if isinstance(self.num_shares, int) and self.num_shares != 1 and self.num_shares < 3:
            raise ConfigError(f"expected num_shares of 3 or more, or a float for a share, got {self.num_shares}")
        both = (self.num_shares, self.reconstruction_threshold)
        if all(isinstance(one, int) and one > 1 for one in both) and both[1] >= both[0]:
            raise ConfigError(f"expected a reconstruction_threshold below num_shares = {both[0]}, got {both[1]}")

    @property
    def caveat(self) -> str:
        return (
            "its masks have seeds of 28 bits, which 'mask-search' finds where a client has one neighbour or two; a "
            "server whose lists of survivors and dropouts overlap opens a single update, unnoticed; counts and metrics "
            "are in the clear"
        )

    def settings(self, federation: FederationSettings) -> FederationSettings:
        cohort, needed = cohort_of(federation), self.reconstruction_threshold
        least = needed if isinstance(needed, int) and needed > 1 else 2
        if cohort < least:
            raise ConfigError(
                f"'{self.name}' needs {least} clients or more in a round, and a round of this federation has {cohort}; "
                "raise federation.clients or the strategy's fraction_train"
            )
        if cohort > self.modulus_range // self.quantization_range:
            raise ConfigError(
                f"'{self.name}': the sum over {cohort} clients overflows with modulus_range = {self.modulus_range} and "
                f"quantization_range = {self.quantization_range}; lower quantization_range"
            )
        return federation

    def encoded_bytes(self, sent: Update) -> int:
        """Flower's element for each entry and one for the weight."""
        return ELEMENT_BYTES * (sum(value.numel() for value in sent.tensors.values()) + 1)

    # What the elements say.

    @property
    def step(self) -> float:
        """Between two neighbours of the grid that weights are rounded to."""
        return 2 * self.clipping_range / self.quantization_range

    def weight(self, examples: int) -> float:
        """What a client multiplies its weights by; on the grid too."""
        return round(examples / self.max_weight * self.quantization_range) / self.quantization_range

    def rounding(self, examples: int, clients: int) -> float:
        """Greatest standard deviation that rounding at random gives to an entry of the mean over so many clients."""
        return self.step / 2 * math.sqrt(clients) / self.weight(examples)

    def read(self, elements: UInt32[np.ndarray, " entries"], sent: NamedTensors) -> NamedTensors:
        """The elements, masked as they are, as numbers under the names and shapes of what clients send."""
        values = torch.tensor(elements[1:].astype(np.float64) * self.step - self.clipping_range)
        sizes = [math.prod(value.shape) for value in sent.values()]
        pieces = torch.split(values[: sum(sizes)], sizes)
        return {name: piece.reshape(value.shape) for (name, value), piece in zip(sent.items(), pieces, strict=True)}


def flower_masking_of(chain: Chain) -> SecureAggregationFlower | None:
    """The protocol of a chain, if it is Flower's."""
    return chain.protocol if isinstance(chain.protocol, SecureAggregationFlower) else None


def sendable(weights: Weights, frozen: frozenset[str]) -> NamedTensors:
    """What a client puts into the vector, in its order: all but what is not trained, which the server has."""
    return {name: value for name, value in weights.state_dict().items() if name not in frozen}
