"""Mean squared error."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float64
from torch import Tensor

from fedleak.contracts.metric import ExampleMetric, metrics
from fedleak.learning.batch import Batch


@metrics.register("mse")
@dataclass(frozen=True, kw_only=True)
class MSE(ExampleMetric):
    """Mean over an example's values of the squared difference, in units of their range, to which the guess is clamped
    first; 0 is perfect."""

    paper: ClassVar = "https://doi.org/10.1109/MSP.2008.930649"
    cites: ClassVar = "wang2009mean"
    unit: ClassVar = "squared intensity"
    higher_is_better: ClassVar = False
    compares: ClassVar = "inputs"
    bounds: ClassVar = (0.0, 1.0)
    threshold: ClassVar = 0.01
    """The mean squared error of 20 dB."""
    margin: ClassVar = 0.005

    def inapplicable(self, truth: Batch) -> str | None:
        return no_distance(truth, "MSE")

    def per_sample(self, guess: Batch, truth: Batch) -> list[float]:
        return squared_error(guess, truth).tolist()


def no_distance(truth: Batch, what: str) -> str | None:
    """Why there are no errors of such examples, None where there are."""
    return None if truth.space.continuous else f"{what} is of values, and the examples are {truth.space.words}"


def squared_error(guess: Batch, truth: Batch) -> Float64[Tensor, " batch"]:
    """The mean squared error of each pair, in double precision: a perfect guess's error is far below float32's."""
    difference = truth.space.errors(guess.inputs.double(), truth.inputs.double())
    return difference.square().flatten(1).mean(dim=1)
