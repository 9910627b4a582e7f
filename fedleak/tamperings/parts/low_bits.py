"""Low bits: writes into the lowest bits of the mantissa of float32 numbers, above guard bits, and reads them.

The guard bits take up what averaging rounds: they are set to the middle of their range.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

MANTISSA = 23
"""Bits of it that a float32 stores."""
LEAST = 2.0**-10
"""What is nearer to zero is moved away to it: the bits of a number near zero weigh less than what a mean rounds."""


@dataclass(frozen=True, kw_only=True)
class LowBits:
    """So many bits of each number, above so many guard bits."""

    bits: int
    guard: int

    def values_for(self, bits: int) -> int:
        """How many numbers so many bits go into."""
        return -(-bits // self.bits)

    def written(self, values: Float[Tensor, " values"], bits: Bool[Tensor, " bits"]) -> Float[Tensor, " values"]:
        """The numbers with the bits in them, each number's most significant first; what is left of the last are zeros.

        Sign and order of magnitude stay, but for numbers below `LEAST`.
        """
        padded = torch.zeros(len(values) * self.bits, dtype=torch.int32)
        padded[: len(bits)] = bits.int()
        words = (padded.view(len(values), self.bits) << self._shifts).sum(1, dtype=torch.int32)
        away = torch.where(values < 0, -LEAST, LEAST).to(torch.float32)
        large = torch.where(values.abs() < LEAST, away, values.float())
        high = large.view(torch.int32) & ~((1 << (self.bits + self.guard)) - 1)
        middle = 1 << (self.guard - 1) if self.guard else 0
        return (high | (words << self.guard) | middle).view(torch.float32)

    def read(self, values: Float[Tensor, " values"]) -> Bool[Tensor, " bits"]:
        """All bits that the numbers have room for."""
        words = (values.float().contiguous().view(torch.int32) >> self.guard) & ((1 << self.bits) - 1)
        return ((words[:, None] >> self._shifts) & 1).bool().flatten()

    @property
    def _shifts(self) -> Int[Tensor, " bits"]:
        return torch.arange(self.bits - 1, -1, -1, dtype=torch.int32)
