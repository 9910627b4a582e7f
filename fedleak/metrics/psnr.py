"""PSNR: peak signal-to-noise ratio."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float64
from torch import Tensor

from fedleak.contracts.metric import ExampleMetric, metrics
from fedleak.learning.batch import Batch
from fedleak.metrics.mse import no_distance, squared_error

CAP = 100.0
"""The greatest ratio that is reported, in dB: an error of 1e-5 a value, where float32 images are equal."""


@metrics.register("psnr")
@dataclass(frozen=True, kw_only=True)
class PSNR(ExampleMetric):
    """-10 log10 of the mean squared error, at most 100 dB; its peak is the range, to which the guess is clamped."""

    paper: ClassVar = "https://doi.org/10.1049/el:20080522"
    cites: ClassVar = "huynhthu2008scope"
    unit: ClassVar = "dB"
    higher_is_better: ClassVar = True
    compares: ClassVar = "inputs"
    bounds: ClassVar = (0.0, CAP)
    threshold: ClassVar = 20.0
    """Where people recognize what a small photo shows."""
    margin: ClassVar = 3.0

    def inapplicable(self, truth: Batch) -> str | None:
        return no_distance(truth, "PSNR")

    def per_sample(self, guess: Batch, truth: Batch) -> list[float]:
        return decibels(squared_error(guess, truth))


def decibels(error: Float64[Tensor, " batch"]) -> list[float]:
    """The ratio to a peak of 1 of mean squared errors, in dB."""
    least = 10 ** (-CAP / 10)
    return (-10 * error.clamp(min=least).log10()).tolist()
