"""Orthogonality rule: the label of one example where what was sent is orthogonal to its gradient (CENSOR)."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Int
from torch import Generator, Tensor

from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation

from ..parts.classifier_head.label_rule import LabelRule
from ..parts.classifier_head.orthogonal_label import orthogonal_label


@attacks.register("orthogonal-rows")
@dataclass(frozen=True, kw_only=True)
class OrthogonalRows(LabelRule):
    """Names the label whose gradient the last layer's update is orthogonal to, and as long as.

    CENSOR sends for each tensor a direction orthogonal to its gradient and of the same length. Of one example the
    head's gradients are `p - y` and `(p - y) hᵀ`, so each candidate label has four equations: two inner products that
    are zero and two lengths. Posteriors p and features h are those of public examples, whose spread says how nearly the
    equations should hold; the likeliest label under a normal law counts. One local step, no noise after it.
    """

    paper: ClassVar = "https://arxiv.org/abs/2501.15718"
    cites: ClassVar = "zhang2025censor"

    def infer(self, observation: Observation, rng: Generator) -> Int[Tensor, " guesses"]:  # noqa: ARG002
        return orthogonal_label(observation)
