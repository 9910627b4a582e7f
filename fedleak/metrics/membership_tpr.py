"""True positive rate of membership at a low false positive rate."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.metric import metrics
from fedleak.goals.membership import MembershipMetric
from fedleak.metrics.placement import Placement

FALSE_POSITIVE_RATE = 0.01
"""Share of the non-members that may be taken for members."""


@metrics.register("membership-tpr")
@dataclass(frozen=True, kw_only=True)
class MembershipTPR(MembershipMetric):
    """Whether a member is found by the threshold on the score that takes 1% of the non-members for members.

    Its mean over members is the true positive rate at a false positive rate of 1%: what an attacker gets who names
    names only when sure. 0.01 is what guessing gives. The rate is met exactly: where it falls on tied scores or between
    two, a member counts as found in part, as often as a threshold drawn at random would find it.
    """

    paper: ClassVar = "https://arxiv.org/abs/2112.03570"
    cites: ClassVar = "carlini2022membership"
    unit: ClassVar = "share of members"
    higher_is_better: ClassVar = True
    fewest: ClassVar = round(1 / FALSE_POSITIVE_RATE)
    bounds: ClassVar = (0.0, 1.0)
    threshold: ClassVar = 1.0
    margin: ClassVar = 0.0

    def per_member(
        self, members: Float[Tensor, " members"], others: Float[Tensor, " others"]
    ) -> Float[Tensor, " members"]:
        return Placement.of(members, others).found_at(FALSE_POSITIVE_RATE)
