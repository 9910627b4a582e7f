"""Automatic label rule: picks the rule that fits what the adversary holds."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Int
from torch import Generator, Tensor

from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation
from fedleak.errors import NotApplicable

from ..parts.applicability import leaves_signs
from ..parts.classifier_head.gradient import bias_gradient, head_gradient
from ..parts.classifier_head.label_rule import LabelRule, as_labels, require_labels, whole_counts
from .batch_counts import BatchCounts
from .bias_sign import BiasSign
from .learned_counts import LearnedCounts
from .orthogonal_rows import OrthogonalRows


@attacks.register("auto-labels")
@dataclass(frozen=True, kw_only=True)
class AutoLabels(LabelRule):
    """Picks a rule by the size of the batch and by public data.

    One example: the sign rule, exact; or, where a defense sent what is orthogonal to the gradient, the rule for that.
    More: what was learned from public examples where there are some, else counts from the gradient alone. Both know
    whether features can be negative and whether the network is trained, and look at the weights before and after
    several local steps. Under Adam, whose update has signs alone: the classes of negative sign, evenly. Of one example
    that may have several labels: its set. Name a rule to have that rule alone.
    """

    paper: ClassVar = "https://openreview.net/forum?id=FIrQfNSOoTr"
    cites: ClassVar = "ma2023instance"

    def infer(self, observation: Observation, rng: Generator) -> Int[Tensor, "guesses *classes"]:
        if observation.task.criterion.several_labels:
            return BiasSign().infer(observation, rng)
        if leaves_signs(observation):
            return _from_signs(observation)
        single: tuple[LabelRule, ...] = OrthogonalRows(), BiasSign()
        *preferred, last = (LearnedCounts(), BatchCounts()) if observation.examples() > 1 else single
        for rule in preferred:
            labels = rule.infer_if_applicable(observation, rng)
            if labels is not None:
                return labels
        return last.infer(observation, rng)


def _from_signs(observation: Observation) -> Int[Tensor, " guesses"]:
    """The classes of negative sign, equally often: an update of signs says nothing of counts."""
    require_labels(observation)
    criterion = observation.task.criterion
    alone = len(observation.cohort) == 1
    if not alone or not criterion.shows_presence(observation.task.classes):
        why = f"under {criterion.words} signs tell no class" if alone else "a mean of signs is none"
        raise NotApplicable(f"the update has signs in place of a gradient, and {why}")
    there = bias_gradient(head_gradient(observation)) < 0
    if not there.any():
        raise NotApplicable("the update has signs in place of a gradient, and none in the last layer is negative")
    return as_labels(whole_counts(there.double(), observation.examples()))
