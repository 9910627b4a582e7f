"""Class presence: which classes are in a batch at all, proved by signs, and how that bounds counts."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from fedleak.contracts.observation import Observation

from .gradient import HeadGradient
from .label_rule import whole_counts
from .outputs import never_negative
from .posteriors import undecided

LOUD = 6.0
"""How many times the noise an entry must be below zero to count as negative: beyond what any of thousands reaches."""
FEW = 0.5
"""Share of the classes that could be there: above it, rows that prove nothing may be hidden by errors on the others."""


@dataclass(frozen=True, kw_only=True)
class Presence:
    """Classes that are surely there, and those that may be."""

    sure: Bool[Tensor, " classes"]
    possible: Bool[Tensor, " classes"]

    def nearest(self, raw: Float[Tensor, " classes"]) -> Float[Tensor, " classes"]:
        """The nearest counts that are whole and allowed, whatever they sum to."""
        return torch.where(self.possible, torch.maximum(raw.round().clamp_min(0.0), self.sure.double()), 0.0)

    def settle(self, raw: Float[Tensor, " classes"], examples: int) -> Int[Tensor, " classes"]:
        """Whole allowed counts near `raw` that sum to `examples`."""
        once = self.sure.long()
        more = torch.where(self.possible, (torch.nan_to_num(raw.double()) - once).clamp_min(0.0), 0.0)
        return once + whole_counts(more if more.any() else self.possible.double(), examples - int(once.sum()))


def presence(observation: Observation, gradient: HeadGradient) -> Presence:
    """What the signs of the head's gradient prove, for any number of examples and of steps.

    Of a class that is not there every example pushes its row by `p_i h`: where the features h are never negative a
    negative entry proves the class. Of a trained network, whose features differ by class, a row without one says that
    the class is not there; unless most classes are, whose errors may hide it. Of an untrained one, where examples fare
    alike, it says no more than that the class is rarer than expected. Where features have both signs, a negative bias
    gradient still proves a class. Under label smoothing, or another loss, signs prove nothing.

    Source: https://arxiv.org/abs/2104.07586
    """
    if not observation.task.criterion.proves_presence:
        nobody = torch.zeros_like(gradient.weight[:, 0], dtype=torch.bool)
        return Presence(sure=nobody, possible=~nobody)
    floor, examples = LOUD * gradient.noise(), observation.examples()
    one_sign = never_negative(observation)
    lowest = gradient.weight.amin(1) if one_sign else torch.zeros_like(gradient.weight[:, 0])
    lowest = lowest if gradient.bias is None else torch.minimum(lowest, gradient.bias)
    sure = lowest < -floor
    if int(sure.sum()) > examples:  # noise, or steps that overshot: the most negative have it
        sure = torch.zeros_like(sure).index_fill(0, lowest.argsort(stable=True)[:examples], True)
    few = 0 < int(sure.sum()) <= FEW * min(len(sure), examples)
    conclusive = one_sign and few and not undecided(observation, gradient)
    return Presence(sure=sure, possible=sure if conclusive else torch.ones_like(sure))
