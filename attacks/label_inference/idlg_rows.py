"""iDLG's label rule: the label of one example, from the rows of the last layer's weight gradient."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Int
from torch import Generator, Tensor

from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation

from ..parts.classifier_head.gradient import head_gradient
from ..parts.classifier_head.label_rule import LabelRule, require


@attacks.register("idlg-rows")
@dataclass(frozen=True, kw_only=True)
class IDLGRows(LabelRule):
    """Names the class whose row of the last layer's weight gradient points against the other rows: no bias needed.

    Of one example row i is `(p_i - y_i) hᵀ`, so the label's row alone is opposed to the features h and to the others,
    whatever the signs of h. Of two classes both rows are opposed to each other; then h must not be negative.
    """

    paper: ClassVar = "https://arxiv.org/abs/2001.02610"
    cites: ClassVar = "zhao2020idlg"

    def infer(self, observation: Observation, rng: Generator) -> Int[Tensor, " guesses"]:  # noqa: ARG002
        require(observation, one_example=True, one_sign=observation.task.classes == 2)
        rows = head_gradient(observation).weight
        if len(rows) == 2:
            return rows.sum(1).argmin()[None]
        along = rows @ rows.T
        return (along.sum(1) - along.diagonal()).argmin()[None]
