"""Membership AUC: how far members stand out, over all thresholds."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.metric import metrics
from fedleak.goals.membership import MembershipMetric
from fedleak.metrics.placement import Placement


@metrics.register("membership-auc")
@dataclass(frozen=True, kw_only=True)
class MembershipAUC(MembershipMetric):
    """The share of non-members, examples that nobody trained on, that score below a member; ties count half.

    Its mean over members is the area under the ROC curve (Mann and Whitney 1947): the chance that a member scores
    higher than a non-member. 0.5 is what guessing gives. A sample of 0.99 or more stands out among 99 of 100.
    """

    paper: ClassVar = "https://doi.org/10.1214/aoms/1177730491"
    cites: ClassVar = "mann1947test"
    unit: ClassVar = "share of non-members"
    higher_is_better: ClassVar = True
    bounds: ClassVar = (0.0, 1.0)
    threshold: ClassVar = 0.99
    margin: ClassVar = 0.0

    def per_member(
        self, members: Float[Tensor, " members"], others: Float[Tensor, " others"]
    ) -> Float[Tensor, " members"]:
        return Placement.of(members, others).below
