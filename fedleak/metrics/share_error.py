"""Share error: how far off the guessed share is of all training data that have a property."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from fedleak.contracts.metric import metrics
from fedleak.goals.properties import PropertyMetric


@metrics.register("share-error")
@dataclass(frozen=True, kw_only=True)
class ShareError(PropertyMetric):
    """The absolute difference between the guessed and the true share of all examples behind a model with a property.

    The guess is the mean of the shares that the adversary tells apart by how probable it finds each. Of two shares
    that are equally probable it lies half way between them. Less than 0.05 counts as answered.
    """

    paper: ClassVar = "https://doi.org/10.1145/3243734.3243834"
    cites: ClassVar = "ganju2018property"
    of_catalogue: ClassVar = False
    unit: ClassVar = ""
    higher_is_better: ClassVar = False
    bounds: ClassVar = (0.0, 1.0)
    threshold: ClassVar = 0.05
    margin: ClassVar = 0.0

    def per_property(
        self,
        guess: Float[Tensor, " properties"],
        truth: Float[Tensor, " properties"],  # noqa: ARG002
    ) -> Float[Tensor, " properties"]:
        """Whether most have a property is no share: there is nothing to compare."""
        return torch.full_like(guess, torch.nan)

    def of_share(self, guess: Float64[Tensor, " shares"], shares: Float64[Tensor, " shares"], true: float) -> float:
        return abs(float(guess @ shares / guess.sum()) - true)
