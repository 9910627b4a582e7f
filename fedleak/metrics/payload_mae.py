"""Payload MAE: the mean absolute error of a hidden example that was read back."""

from dataclasses import dataclass
from typing import ClassVar

from fedleak.contracts.metric import metrics
from fedleak.goals.payload import HiddenExampleMetric
from fedleak.learning.batch import Batch
from fedleak.metrics.mse import no_distance

LEVELS = 255


@metrics.register("payload-mae")
@dataclass(frozen=True, kw_only=True)
class PayloadMAE(HiddenExampleMetric):
    """Mean absolute error of a hidden example, in 255ths of the range, to which the guess is clamped."""

    paper: ClassVar = "https://arxiv.org/abs/1709.07886"
    cites: ClassVar = "song2017machine"
    unit: ClassVar = "255ths"
    higher_is_better: ClassVar = False
    bounds: ClassVar = (0.0, float(LEVELS))
    threshold: ClassVar = 20.0
    """Below which the paper calls an image recognizable."""
    margin: ClassVar = 2.0

    def inapplicable(self, truth: Batch) -> str | None:
        return no_distance(truth, "MAE")

    def per_example(self, guess: Batch, truth: Batch) -> list[float]:
        space = truth.space
        errors = (space.clamped(guess.inputs.double()) - truth.inputs.double()).abs().flatten(1).mean(1)
        return (LEVELS * errors / space.extent).tolist()
