"""A limit on how much a user may ask."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool
from torch import Tensor

from fedleak.contracts.defense import Defense, defenses
from fedleak.contracts.traffic import Asked
from fedleak.settings.base import Count


@defenses.register("rate-limit")
@dataclass(frozen=True, kw_only=True)
class RateLimit(Defense):
    """Refuses what a user asks beyond a number of inputs, a day or in all.

    A limit a day is taken for its multiple by the days that the user goes on asking. What other defenses refuse counts
    too, as it does where requests are counted before they are read.
    """

    paper: ClassVar = "https://arxiv.org/abs/1804.08598"
    cites: ClassVar = "ilyas2018black"
    adaptive_strategy: ClassVar[str] = "shares out the queries that there are, and goes on for days"
    counts_alone: ClassVar[bool] = True
    answers: Count
    """The inputs that are answered."""
    per: Literal["day", "all"] = "day"
    """Whether so many a day, or in all."""

    @property
    def caveat(self) -> str:
        return "" if self.per == "all" else "a limit a day only takes the attacker so many days longer"

    def most_answers(self, days: float) -> float:
        return float(self.answers) if self.per == "all" else float(math.floor(self.answers * days))

    def admits(self, asked: Asked) -> Bool[Tensor, " asked"]:
        return len(asked.history) + torch.arange(len(asked)) < self.most_answers(asked.days)
