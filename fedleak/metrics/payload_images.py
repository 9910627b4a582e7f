"""Payload images: which hidden examples come back without a wrong bit."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.metric import metrics
from fedleak.goals.payload import HiddenExampleMetric
from fedleak.learning.batch import Batch
from fedleak.learning.hidden import Hidden

SAME = 1e-6
"""By how much values may differ that come of the same bits."""


@metrics.register("payload-images")
@dataclass(frozen=True, kw_only=True)
class PayloadImages(HiddenExampleMetric):
    """1 for a hidden example that comes back without a wrong bit, else 0."""

    paper: ClassVar = "https://arxiv.org/abs/1709.07886"
    cites: ClassVar = "song2017machine"
    unit: ClassVar = "share of images"
    higher_is_better: ClassVar = True
    bounds: ClassVar = (0.0, 1.0)
    threshold: ClassVar = 1.0
    margin: ClassVar = 0.0
    unread: ClassVar = 0.0

    def true_examples(self, hidden: Hidden) -> Float[Tensor, "hidden *shape"] | None:
        return hidden.exact

    def per_example(self, guess: Batch, truth: Batch) -> list[float]:
        return ((guess.inputs - truth.inputs).abs().flatten(1).amax(1) <= SAME).double().tolist()
