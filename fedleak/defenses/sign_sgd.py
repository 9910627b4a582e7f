"""signSGD: the sign of each entry."""

from dataclasses import dataclass
from math import ceil
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.contracts.defense import Defense, defenses
from fedleak.defenses.parts.likelihood import TINY, off_size
from fedleak.learning.update import Update

SOFT = 0.05
"""Size of an entry, as a share of its tensor's mean size, at which its sign starts to count."""
AT_ZERO = 2.0
"""How far below zero, in the same unit, an entry is as likely to be sent as positive or as negative."""


@defenses.register("sign-sgd")
@dataclass(frozen=True, kw_only=True)
class SignSGD(Defense):
    """Sends of every entry its sign alone, and of every tensor its mean absolute entry as their common size.

    An entry of zero counts as positive: there is one bit for each.
    """

    paper: ClassVar = "https://arxiv.org/abs/1802.04434"
    cites: ClassVar = "bernstein2018signsgd"
    adaptive_strategy: ClassVar[str] = (
        "asks of every entry that it has the sign, and of every tensor that it has the size, that was sent"
    )

    def protect(self, update: Update, rng: Generator) -> Update:
        return Update(
            {name: (2.0 * (value >= 0) - 1.0) * value.abs().mean() for name, value in update.tensors.items()},
            update.kind,
        )

    def sensitivity_bound(self, norm: float) -> float:
        """A tensor's mean size is at most its root mean square."""
        return norm

    def negative_log_likelihood(self, given: Update, sent: Update) -> Float[Tensor, ""]:
        """Entries of the wrong sign, by their size; and tensors of the wrong mean size, which was sent exactly."""
        pairs = zip(given.tensors.values(), sent.tensors.values(), strict=True)
        return torch.stack([self._unlikely(one, other) for one, other in pairs]).sum()

    def encoded_bytes(self, sent: Update) -> int:
        """A bit for each entry, and four bytes for each tensor's size."""
        return sum(ceil(value.numel() / 8) + 4 for value in sent.tensors.values())

    def _unlikely(self, given: Tensor, sent: Tensor) -> Float[Tensor, ""]:
        size = sent.abs().max()
        entries = given / (SOFT * size.clamp_min(TINY))
        # Zeros, frequent in ReLU networks, are sent as positive: they are no evidence of a positive entry.
        wrong = torch.where(sent >= 0, -entries - AT_ZERO, entries + AT_ZERO)
        return F.softplus(wrong).sum() + off_size(given.abs().mean(), size, given.numel())
