"""Label divergence: how far the guessed distribution of labels is from the true one."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float64
from torch import Tensor

from fedleak.contracts.metric import metrics
from fedleak.goals.labels import DistributionMetric

MIXED = 1e-3
"""Share of the true distribution that is mixed into the guessed one, so that a label that was ruled out is finite."""


@metrics.register("label-divergence")
@dataclass(frozen=True, kw_only=True)
class LabelDivergence(DistributionMetric):
    """The Kullback-Leibler divergence of the true distribution of labels from the guessed one, in nats.

    `sum p log(p / q)` over the labels, with p as often as each comes among the examples and q as probable as the attack
    says, or as often as it is guessed where it says no more. Of one example it is `-log q` of its label: 0 where that
    was certain, log 10 where ten labels were all as probable. To be finite, a thousandth of p is mixed into q (Lee's
    skew divergence, `q -> .999 q + .001 p`): the most is then 6.91 nats, and log 10 = 2.303 becomes 2.294.
    """

    paper: ClassVar = "https://aclanthology.org/P99-1004/"
    cites: ClassVar = "lee1999measures"
    unit: ClassVar = "nats"
    higher_is_better: ClassVar = False
    bounds: ClassVar = (0.0, 6.91)
    threshold: ClassVar = 0.1
    """Of one example: its label had 90% or more."""
    margin: ClassVar = 0.0

    def of_message(self, guess: Float64[Tensor, " classes"], truth: Float64[Tensor, " classes"]) -> float:
        there = truth > 0
        said = (1 - MIXED) * guess[there] + MIXED * truth[there]
        return max(0.0, float((truth[there] * (truth[there] / said).log()).sum()))
