"""Brier score of the answers to questions about a batch."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.metric import metrics
from fedleak.goals.properties import PropertyMetric


@metrics.register("property-brier")
@dataclass(frozen=True, kw_only=True)
class PropertyBrier(PropertyMetric):
    """The squared error of the probability of yes to a question, the Brier score.

    0 is sure and right, 0.25 undecided, 1 sure and wrong; below 0.25 counts as answered. Of shares of a
    property it is the mean over them, each as a question of its own.
    """

    paper: ClassVar = "https://doi.org/10.1175/1520-0493(1950)078%3C0001:VOFEIT%3E2.0.CO;2"
    cites: ClassVar = "brier1950verification"
    unit: ClassVar = ""
    higher_is_better: ClassVar = False
    bounds: ClassVar = (0.0, 1.0)
    threshold: ClassVar = 0.25
    margin: ClassVar = 0.0

    def per_property(
        self, guess: Float[Tensor, " properties"], truth: Float[Tensor, " properties"]
    ) -> Float[Tensor, " properties"]:
        return (guess - truth).square()
