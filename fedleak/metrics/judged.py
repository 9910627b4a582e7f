"""Judged: whether classifiers take an image for its class, which by itself shows no leak."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.metric import metrics
from fedleak.goals.answer import Subject
from fedleak.goals.representatives import RepresentativeMetric


@metrics.register("judged")
@dataclass(frozen=True, kw_only=True)
class Judged(RepresentativeMetric):
    """The share of classes whose image two judges take for one of the class, both of them; stands beside a verdict.

    It is no verdict: ascent on raw pixels convinces classifiers with images that look like nothing.
    """

    paper: ClassVar = "https://arxiv.org/abs/1911.07135"
    cites: ClassVar = "zhang2020secret"
    unit: ClassVar = "share of classes"
    higher_is_better: ClassVar = True
    bounds: ClassVar = (0.0, 1.0)
    threshold: ClassVar = 1.0
    margin: ClassVar = 0.0
    speaks: ClassVar = False
    unshown: ClassVar = 0.0
    by_judges: ClassVar = True

    def per_class(self, guess: Float[Tensor, "*shape"], subject: Subject) -> float:
        return float(min(subject.judges().convinced(guess, subject.label)))
