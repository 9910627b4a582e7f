"""Payload PSNR: peak signal-to-noise ratio of a hidden example that was read back."""

from dataclasses import dataclass
from typing import ClassVar

from fedleak.contracts.metric import metrics
from fedleak.goals.payload import HiddenExampleMetric
from fedleak.learning.batch import Batch
from fedleak.metrics.psnr import PSNR


@metrics.register("payload-psnr")
@dataclass(frozen=True, kw_only=True)
class PayloadPSNR(HiddenExampleMetric):
    """As `psnr`, of each hidden example and what was read in its place."""

    paper: ClassVar = "https://doi.org/10.1049/el:20080522"
    cites: ClassVar = "huynhthu2008scope"
    unit: ClassVar = PSNR.unit
    higher_is_better: ClassVar = True
    bounds: ClassVar = PSNR.bounds
    threshold: ClassVar = PSNR.threshold
    margin: ClassVar = PSNR.margin

    def inapplicable(self, truth: Batch) -> str | None:
        return PSNR().inapplicable(truth)

    def per_example(self, guess: Batch, truth: Batch) -> list[float]:
        return PSNR().per_sample(guess, truth)
