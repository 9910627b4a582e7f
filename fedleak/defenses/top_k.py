"""Top-k sparsification."""

from dataclasses import dataclass
from math import ceil
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Generator, Tensor

from fedleak.contracts.defense import Defense, defenses
from fedleak.learning.update import Update
from fedleak.learning.weights import NamedTensors


@defenses.register("top-k")
@dataclass(frozen=True, kw_only=True)
class TopK(Defense):
    """Keeps the largest `fraction` of the entries by absolute value and sends zeros for the rest.

    The kept entries are exact, so an attacker who matches only those loses little.
    """

    paper: ClassVar = "https://arxiv.org/abs/1704.05021"
    cites: ClassVar = "aji2017sparse"
    adaptive_strategy: ClassVar[str] = "matches the entries that were sent alone"
    sends_largest: ClassVar[bool] = True
    fraction: Annotated[float, Field(gt=0, le=1)]
    """Share of the entries that is kept; at least one entry is."""

    def protect(self, update: Update, rng: Generator) -> Update:
        vector = update.vector()
        kept = vector.abs().topk(self._kept(vector)).indices
        return update.with_vector(torch.zeros_like(vector).index_copy(0, kept, vector[kept]))

    def sensitivity_bound(self, norm: float) -> float:
        return norm

    def observed_mask(self, sent: Update) -> NamedTensors:
        """What is not zero; all, where that is fewer than there was room for, so that nothing was left out."""
        vector = sent.vector()
        whole = int(vector.count_nonzero()) < self._kept(vector)
        return {
            name: torch.full_like(value, whole, dtype=torch.bool) | (value != 0) for name, value in sent.tensors.items()
        }

    def _kept(self, vector: Tensor) -> int:
        return ceil(self.fraction * vector.numel())

    def relaxed(self, given: Update) -> Update:
        return self.protect(given, Generator())

    def encoded_bytes(self, sent: Update) -> int:
        """Value and place of each entry that is not zero, four bytes each."""
        return 8 * sum(int(value.count_nonzero()) for value in sent.tensors.values())
