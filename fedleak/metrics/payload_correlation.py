"""Payload correlation: whether a hidden example that was read back rises and falls as the true one does."""

from dataclasses import dataclass
from typing import ClassVar

from fedleak.contracts.metric import metrics
from fedleak.goals.payload import HiddenExampleMetric
from fedleak.learning.batch import Batch
from fedleak.metrics.mse import no_distance

TINY = 1e-20
"""Keeps what does not vary from dividing by zero: it goes with nothing."""


@metrics.register("payload-correlation")
@dataclass(frozen=True, kw_only=True)
class PayloadCorrelation(HiddenExampleMetric):
    """Pearson's correlation of a hidden example and what was read in its place, whatever brightness and contrast."""

    paper: ClassVar = "https://arxiv.org/abs/1709.07886"
    cites: ClassVar = "song2017machine"
    unit: ClassVar = "correlation"
    higher_is_better: ClassVar = True
    bounds: ClassVar = (-1.0, 1.0)
    threshold: ClassVar = 0.9
    margin: ClassVar = 0.05

    def inapplicable(self, truth: Batch) -> str | None:
        return no_distance(truth, "a correlation")

    def per_example(self, guess: Batch, truth: Batch) -> list[float]:
        ours, theirs = guess.inputs.double().flatten(1), truth.inputs.double().flatten(1)
        ours, theirs = ours - ours.mean(1, keepdim=True), theirs - theirs.mean(1, keepdim=True)
        sizes = (ours.square().sum(1) * theirs.square().sum(1) + TINY).sqrt()
        return ((ours * theirs).sum(1) / sizes).clamp(-1, 1).tolist()
