"""The top classes and their confidences."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.contracts.defense import Defense, defenses
from fedleak.contracts.traffic import Asked
from fedleak.settings.base import Count


@defenses.register("top-confidence")
@dataclass(frozen=True, kw_only=True)
class TopConfidence(Defense):
    """Answers with the probabilities of the most probable classes, and 0 for the others."""

    paper: ClassVar = "https://arxiv.org/abs/1610.05820"
    cites: ClassVar = "shokri2017membership"
    adaptive_strategy: ClassVar[str] = "starts from points whose class is shown, and averages the answers around them"
    classes: Count = 1
    """How many are shown."""

    @property
    def resolution(self) -> float:
        """What is hidden is at most as probable as each that is shown, and all sum to 1."""
        return 1 / (self.classes + 1)

    def answer(self, asked: Asked, rng: Generator) -> Float[Tensor, "asked classes"]:
        shown = asked.probabilities.topk(min(self.classes, asked.probabilities.shape[1]), dim=1)
        return torch.zeros_like(asked.probabilities).scatter(1, shown.indices, shown.values)
