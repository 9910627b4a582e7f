"""Nearest private: how many real examples lie farther from their like than the image from the nearest of them."""

import math
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.metric import metrics
from fedleak.goals.answer import Subject
from fedleak.goals.representatives import RepresentativeMetric


@metrics.register("nearest-private")
@dataclass(frozen=True, kw_only=True)
class NearestPrivate(RepresentativeMetric):
    """The share of a class's private examples that are farther from their nearest other than the image is from one.

    Distances are mean squared errors. An image like any other of the class has about one half, a copy of a private
    example 1. Where there is one private example, there is no such figure. Of more than 500 private examples, 500 are
    measured. It stands beside a verdict: an image of another class may be near too.
    """

    paper: ClassVar = "https://arxiv.org/abs/1911.07135"
    cites: ClassVar = "zhang2020secret"
    unit: ClassVar = "share of private examples"
    higher_is_better: ClassVar = True
    bounds: ClassVar = (0.0, 1.0)
    threshold: ClassVar = 0.5
    """Half of the real examples are farther from their like."""
    margin: ClassVar = 0.0
    speaks: ClassVar = False

    def per_class(self, guess: Float[Tensor, "*shape"], subject: Subject) -> float:
        if not len(subject.spacing):
            return math.nan
        return float((subject.spacing > subject.nearest(guess[None])).double().mean())
