"""PPV of the first hundred: the share of right guesses among those that an attack is surest of."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.metric import metrics
from fedleak.goals.columns import OfOthers, ShareOfRows
from fedleak.metrics.column_accuracy import right_shares

FIRST = 100
"""Rows that an attack is surest of."""


@metrics.register("ppv-100")
@dataclass(frozen=True, kw_only=True)
class PPV100(ShareOfRows):
    """The share of right guesses among the hundred rows that an attack is surest of (positive predictive value).

    A sample is a place in the order of certainty, so that what stands beside it is judged on its own hundred. Rows that
    it is as sure of share their places. With fewer rows it is of all, which is their accuracy. Judges rows that were
    trained on: a model that betrays few people for sure hardly shows in a mean over all.
    """

    paper: ClassVar = "https://arxiv.org/abs/2209.01292"
    cites: ClassVar = "jayaraman2022attribute"

    def per_row(
        self, guess: Float[Tensor, "rows values"], truth: Float[Tensor, "rows values"]
    ) -> Float[Tensor, " some"]:
        sureness, group = torch.unique(guess.amax(1), return_inverse=True)
        right = right_shares(guess, truth)
        totals = torch.zeros(len(sureness), dtype=right.dtype).index_add(0, group, right)
        means = totals / torch.bincount(group, minlength=len(sureness))
        order = torch.sort(group, descending=True, stable=True).indices[:FIRST]
        return means[group[order]]


@metrics.register("ppv-100-of-others")
@dataclass(frozen=True, kw_only=True)
class PPV100OfOthers(OfOthers, PPV100):
    """The same of rows that nobody trained on: what a model tells of these is no secret of those in its training data.

    It only stands beside the figure of members, which may be a verdict.
    """
