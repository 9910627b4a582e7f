"""Column AUC: how far rows that have a hidden value stand out, over all thresholds."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.metric import metrics
from fedleak.goals.columns import OfOthers, ShareOfRows
from fedleak.metrics.placement import Placement


@metrics.register("column-auc")
@dataclass(frozen=True, kw_only=True)
class ColumnAUC(ShareOfRows):
    """The share of rows with another value that are less likely to have a row's value than itself; ties count half.

    Its mean over rows that have a value is the area under the ROC curve of that value against all others (Mann and
    Whitney 1947), and over all rows that of each value as often as there is one. 0.5 is what guessing gives, whatever
    is common. Judges rows that were trained on, among themselves.
    """

    paper: ClassVar = "https://doi.org/10.1214/aoms/1177730491"
    cites: ClassVar = "mann1947test"
    unit: ClassVar = "share of rows with another value"
    threshold: ClassVar = 0.99

    def per_row(
        self, guess: Float[Tensor, "rows values"], truth: Float[Tensor, "rows values"]
    ) -> Float[Tensor, " rows"]:
        own = truth.argmax(1)
        shares = torch.full((len(own),), torch.nan, dtype=guess.dtype)
        for value in torch.unique(own).tolist():
            having = own == value
            if not having.all():
                shares[having] = Placement.of(guess[having, value], guess[~having, value]).below.to(guess.dtype)
        return shares


@metrics.register("column-auc-of-others")
@dataclass(frozen=True, kw_only=True)
class ColumnAUCOfOthers(OfOthers, ColumnAUC):
    """The same of rows that nobody trained on: what a model tells of these is no secret of those in its training data.

    It only stands beside the figure of members, which may be a verdict.
    """
