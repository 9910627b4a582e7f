"""Column error: how far guessed numbers are from the true ones, in standard deviations of public rows."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.metric import metrics
from fedleak.goals.columns import ColumnMetric, OfOthers
from fedleak.learning.table import SPREAD, Column


@metrics.register("column-error")
@dataclass(frozen=True, kw_only=True)
class ColumnDeviation(ColumnMetric):
    """The absolute error of a hidden number of rows that were trained on, in standard deviations of the public rows.

    A column is scaled by these, three to either end of its range, and whoever is farther out is at the end for all. The
    public mean alone is off by 0.8 where numbers are normal. A sample of 0.1 or less counts as found.
    """

    paper: ClassVar = "https://doi.org/10.3354/cr030079"
    cites: ClassVar = "willmott2005advantages"
    unit: ClassVar = "standard deviations"
    higher_is_better: ClassVar = False
    bounds: ClassVar = (0.0, 2 * SPREAD)
    threshold: ClassVar = 0.1
    margin: ClassVar = 0.0

    def applies_to(self, column: Column) -> bool:
        return not column.is_category

    def per_row(
        self, guess: Float[Tensor, "rows values"], truth: Float[Tensor, "rows values"]
    ) -> Float[Tensor, " rows"]:
        return SPREAD * (guess - truth).abs()[:, 0]


@metrics.register("column-error-of-others")
@dataclass(frozen=True, kw_only=True)
class ColumnDeviationOfOthers(OfOthers, ColumnDeviation):
    """The same of rows that nobody trained on: what a model tells of these is no secret of those in its training data.

    It only stands beside the figure of members, which may be a verdict.
    """
