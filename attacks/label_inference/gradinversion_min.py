"""GradInversion's label rule: the set of labels, from the lowest entries of the last layer's weight gradient."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Int
from torch import Generator, Tensor

from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation

from ..parts.classifier_head.class_presence import LOUD
from ..parts.classifier_head.gradient import head_gradient
from ..parts.classifier_head.label_rule import LabelRule, require


@attacks.register("gradinversion-min")
@dataclass(frozen=True, kw_only=True)
class GradInversionMin(LabelRule):
    """Names the classes whose row of the last layer's weight gradient has the lowest entries, each once.

    With features that are never negative a negative entry proves its class, trained or not, one step or many; only
    such are named. With features of both signs it is the paper's ranking and may be wrong. Names at most K classes;
    how often each is there stays unknown (the paper takes the labels of a batch to be distinct).
    """

    paper: ClassVar = "https://arxiv.org/abs/2104.07586"
    cites: ClassVar = "yin2021see"

    def infer(self, observation: Observation, rng: Generator) -> Int[Tensor, " guesses"]:  # noqa: ARG002
        require(observation)
        gradient = head_gradient(observation)
        lowest = gradient.weight.amin(1)
        negative = max(int((lowest < -LOUD * gradient.noise()).sum()), 1)
        return lowest.argsort(stable=True)[:negative][: observation.examples()].sort().values
