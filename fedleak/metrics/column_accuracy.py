"""Column accuracy: the share of hidden values that are guessed right."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.metric import metrics
from fedleak.goals.columns import OfOthers, ShareOfRows


@metrics.register("column-accuracy")
@dataclass(frozen=True, kw_only=True)
class ColumnAccuracy(ShareOfRows):
    """The share of rows that were trained on whose hidden category is guessed right, by its most probable value.

    Of several values that are as probable each is guessed as often. High where most rows say the same, so that it means
    something beside the prior and the imputer alone.
    """

    paper: ClassVar = "https://arxiv.org/abs/2201.09370"
    cites: ClassVar = "mehnaz2022sensitive"

    def per_row(
        self, guess: Float[Tensor, "rows values"], truth: Float[Tensor, "rows values"]
    ) -> Float[Tensor, " rows"]:
        return right_shares(guess, truth)


@metrics.register("column-accuracy-of-others")
@dataclass(frozen=True, kw_only=True)
class ColumnAccuracyOfOthers(OfOthers, ColumnAccuracy):
    """The same of rows that nobody trained on: what a model tells of these is no secret of those in its training data.

    It only stands beside the figure of members, which may be a verdict.
    """


def right_shares(guess: Float[Tensor, "rows values"], truth: Float[Tensor, "rows values"]) -> Float[Tensor, " rows"]:
    """Of each row the chance that one of its most probable values, drawn at random, is the true one."""
    likeliest = guess == guess.amax(1, keepdim=True)
    right = likeliest.gather(1, truth.argmax(1, keepdim=True))[:, 0]
    return right / likeliest.sum(1).to(guess.dtype)
