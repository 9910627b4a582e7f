"""Source AUC: how far a client's examples stand out among those of the others."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.metric import metrics
from fedleak.goals.membership import MembershipMetric
from fedleak.metrics.placement import Placement


@metrics.register("source-auc")
@dataclass(frozen=True, kw_only=True)
class SourceAUC(MembershipMetric):
    """The share of other clients' examples in the round that score below one of this client's; ties count half.

    Its mean is the area under the ROC curve of "whose is it?", asked of what is known to be in the federation. 0.5 is
    what guessing gives. Where one client alone took part there is nobody to take it for.
    """

    paper: ClassVar = "https://arxiv.org/abs/2109.05659"
    cites: ClassVar = "hu2021source"
    unit: ClassVar = "share of others' examples"
    higher_is_better: ClassVar = True
    against: ClassVar[Literal["non_members", "other_clients"]] = "other_clients"
    bounds: ClassVar = (0.0, 1.0)
    threshold: ClassVar = 0.99
    margin: ClassVar = 0.0

    def per_member(
        self, members: Float[Tensor, " members"], others: Float[Tensor, " others"]
    ) -> Float[Tensor, " members"]:
        return Placement.of(members, others).below
