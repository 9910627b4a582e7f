"""Uniform quantization to a few bits."""

from dataclasses import dataclass
from math import ceil
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Generator, Tensor

from fedleak.contracts.defense import Defense, defenses
from fedleak.defenses.parts.likelihood import TINY, off_size
from fedleak.learning.update import Update

EDGE = 0.1
"""Width of the likelihood's slope at the ends of an interval, as a share of a step."""


@defenses.register("eight-bit")
@dataclass(frozen=True, kw_only=True)
class EightBit(Defense):
    """Rounds every entry to the nearest of 2^bits - 1 evenly spaced values, from minus to plus the tensor's largest.

    Deterministic: an entry is off by half a step at most, and one of less than that becomes 0.
    """

    paper: ClassVar = "https://arxiv.org/abs/1511.04561"
    cites: ClassVar = "dettmers2016eight"
    adaptive_strategy: ClassVar[str] = (
        "asks of every entry that it lies in the interval that was rounded to what was sent"
    )
    bits: Annotated[int, Field(ge=2, le=16)] = 8
    """Bits of an entry; with 2 there are the values -1, 0 and 1 times the largest."""

    def protect(self, update: Update, rng: Generator) -> Update:
        return Update({name: self._rounded(value) for name, value in update.tensors.items()}, update.kind)

    def negative_log_likelihood(self, given: Update, sent: Update) -> Float[Tensor, ""]:
        """Flat within the interval around what was sent, with slopes beyond; and the largest entry, which is exact."""
        pairs = zip(given.tensors.values(), sent.tensors.values(), strict=True)
        return torch.stack([self._outside(one, other) for one, other in pairs]).sum()

    def encoded_bytes(self, sent: Update) -> int:
        """`bits` for each entry, and four bytes for each tensor's largest."""
        return sum(ceil(value.numel() * self.bits / 8) + 4 for value in sent.tensors.values())

    def _rounded(self, value: Tensor) -> Tensor:
        step = self._step(value)
        return (value / step).round() * step

    def _outside(self, given: Tensor, sent: Tensor) -> Float[Tensor, ""]:
        # The largest entry is sent as it is, so the step is public.
        step = self._step(sent)
        off = ((given - sent) / step).abs()
        outside = F.softplus((off - 0.5) / EDGE).sum()
        return outside + off_size(given.abs().max(), sent.abs().max(), given.numel())

    def _step(self, value: Tensor) -> Float[Tensor, ""]:
        return value.abs().max().clamp_min(TINY) / float(2 ** (self.bits - 1) - 1)
