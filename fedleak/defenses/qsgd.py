"""QSGD: stochastic quantization."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Generator, Tensor

from fedleak.contracts.defense import Defense, defenses
from fedleak.defenses.parts.likelihood import TINY, off_size
from fedleak.learning.update import Update

RARE = 0.05
"""Probability of a rounding below which the likelihood goes on along its slope."""
SHORTEST = 0.1
"""Norm of a bucket, as a share of what was sent, below which levels no longer shrink with it."""


@defenses.register("qsgd")
@dataclass(frozen=True, kw_only=True)
class QSGD(Defense):
    """Rounds every entry at random to one of `levels` multiples of the tensor's norm, so that the mean is the entry.

    Tensor by tensor: `|v| sign(v_j) l / levels` with l one of the two whole numbers next to `levels |v_j| / |v|`, the
    nearer one more likely. Small entries become 0 and now and then one level: unbiased, and sparse at few levels.
    """

    paper: ClassVar = "https://arxiv.org/abs/1610.02132"
    cites: ClassVar = "alistarh2017qsgd"
    adaptive_strategy: ClassVar[str] = "asks how likely an entry is rounded to the level that was sent"
    levels: Annotated[int, Field(ge=1, le=2**24)] = 15
    """Levels of an entry's size above 0; with the sign and 0 there are 2 levels + 1 values."""
    bucket: Annotated[int, Field(ge=1, le=2**24)] = 512
    """Entries of a tensor that share a norm; the last bucket of a tensor may have fewer."""

    def protect(self, update: Update, rng: Generator) -> Update:
        return Update({name: self._rounded(value, rng) for name, value in update.tensors.items()}, update.kind)

    def _rounded(self, value: Tensor, rng: Generator) -> Tensor:
        unit = self._unit(value)
        uniform = torch.rand(value.shape, generator=rng).to(value.device)
        level = (value.abs() / unit.clamp_min(TINY) + uniform).floor()
        return value.sign() * unit * level

    def sensitivity_bound(self, norm: float) -> float:
        """Each entry of a bucket moves by less than a level, which is the bucket's norm over `levels`."""
        return norm * (1 + math.sqrt(self.bucket) / self.levels)

    def negative_log_likelihood(self, given: Update, sent: Update) -> Float[Tensor, ""]:
        """`Σ -log(1 - |a - l|)` for entries a, in levels, within one level of the l that was sent; and their mean size.

        Further off, where the density is 0, it goes on along its slope. Levels are those of the given update, so that
        one that is too short or too long so far is not led astray by its length; that the sizes that were sent have the
        right mean, because the roundings have, is a term of its own.
        """
        pairs = zip(given.tensors.values(), sent.tensors.values(), strict=True)
        return torch.stack([self._unlikely(one, other) for one, other in pairs]).sum()

    def encoded_bytes(self, sent: Update) -> int:
        """As many bits for each entry as tell its levels apart, and four bytes for each bucket's norm."""
        sizes = [value.numel() for value in sent.tensors.values()]
        return sum(
            math.ceil(size * (2 * self.levels).bit_length() / 8) + 4 * math.ceil(size / self.bucket) for size in sizes
        )

    def _unlikely(self, given: Tensor, sent: Tensor) -> Float[Tensor, ""]:
        unit = torch.maximum(self._unit(given.detach()), SHORTEST * self._unit(sent)).clamp_min(TINY)
        probability = 1 - (given / unit - (sent / unit).round()).abs()
        rare = (probability - RARE) / RARE
        likely = torch.where(probability > RARE, probability.clamp_min(RARE).log(), math.log(RARE) + rare)
        return off_size(given.abs().mean(), sent.abs().mean(), given.numel()) - likely.sum()

    def _unit(self, value: Tensor) -> Tensor:
        """The level of each entry: its bucket's norm over `levels`."""
        buckets = F.pad(value.flatten(), (0, -value.numel() % self.bucket)).view(-1, self.bucket)
        norms: Tensor = torch.linalg.vector_norm(buckets, dim=1, keepdim=True).expand_as(buckets).flatten()
        return norms[: value.numel()].view(value.shape) / self.levels
