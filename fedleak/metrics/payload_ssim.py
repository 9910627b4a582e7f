"""Payload SSIM: structural similarity of a hidden example that was read back."""

from dataclasses import dataclass
from typing import ClassVar

from fedleak.contracts.metric import metrics
from fedleak.goals.payload import HiddenExampleMetric
from fedleak.learning.batch import Batch
from fedleak.metrics.ssim import SSIM


@metrics.register("payload-ssim")
@dataclass(frozen=True, kw_only=True)
class PayloadSSIM(HiddenExampleMetric):
    """As `ssim`, of each hidden image and what was read in its place."""

    paper: ClassVar = "https://doi.org/10.1109/TIP.2003.819861"
    cites: ClassVar = "wang2004image"
    unit: ClassVar = SSIM.unit
    higher_is_better: ClassVar = True
    bounds: ClassVar = SSIM.bounds
    threshold: ClassVar = SSIM.threshold
    margin: ClassVar = SSIM.margin

    def inapplicable(self, truth: Batch) -> str | None:
        return SSIM().inapplicable(truth)

    def per_example(self, guess: Batch, truth: Batch) -> list[float]:
        return SSIM().per_sample(guess, truth)
