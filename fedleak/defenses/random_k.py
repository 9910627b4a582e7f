"""Random sparsification."""

from dataclasses import dataclass
from math import ceil
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Generator

from fedleak.contracts.defense import Defense, defenses
from fedleak.learning.update import Update
from fedleak.learning.weights import NamedTensors


@defenses.register("random-k")
@dataclass(frozen=True, kw_only=True)
class RandomK(Defense):
    """Keeps a random `fraction` of the entries, drawn anew each round, and sends zeros for the rest.

    What is kept is exact, so an attacker who matches only that needs no more of it than there are pixels to find.
    """

    paper: ClassVar = "https://arxiv.org/abs/1809.07599"
    cites: ClassVar = "stich2018sparsified"
    adaptive_strategy: ClassVar[str] = "matches the entries that were sent alone"
    fraction: Annotated[float, Field(gt=0, le=1)]
    """Share of the entries that is kept; at least one entry is."""
    scaled: bool = False
    """Whether what is kept is divided by its share, so that the mean over all draws is the update itself. Refused
    below `error-feedback`, which would add up what is sent in excess."""

    def protect(self, update: Update, rng: Generator) -> Update:
        vector = update.vector()
        count = ceil(self.fraction * vector.numel())
        kept = torch.randperm(vector.numel(), generator=rng)[:count].to(vector.device)
        factor = vector.numel() / count if self.scaled else 1.0
        return update.with_vector(torch.zeros_like(vector).index_copy(0, kept, factor * vector[kept]))

    def sensitivity_bound(self, norm: float) -> float:
        return norm / self.fraction if self.scaled else norm

    def observed_mask(self, sent: Update) -> NamedTensors:
        return {name: value != 0 for name, value in sent.tensors.items()}

    def relaxed(self, given: Update) -> Update:
        vector = given.vector()
        return given if self.scaled else given.with_vector(self.fraction * vector)

    def encoded_bytes(self, sent: Update) -> int:
        """Value and place of each entry that is kept, four bytes each."""
        return 8 * ceil(self.fraction * sent.vector().numel())
