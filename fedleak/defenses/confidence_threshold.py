"""Confidences hidden below a threshold."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.contracts.defense import Defense, defenses
from fedleak.contracts.traffic import Asked
from fedleak.settings.base import Share


@defenses.register("confidence-threshold")
@dataclass(frozen=True, kw_only=True)
class ConfidenceThreshold(Defense):
    """Answers with 0 in place of every probability below a threshold; where all are, the answer is that nothing is.

    Such a row of zeros is an answer and no refusal: the user learns that the model is unsure.
    """

    paper: ClassVar = "https://doi.org/10.1109/TIT.1970.1054406"
    cites: ClassVar = "chow1970optimum"
    adaptive_strategy: ClassVar[str] = "starts from points whose class is shown, and counts how often it is around them"
    threshold: Share = 0.5
    """The least probability that is shown."""

    @property
    def resolution(self) -> float:
        return self.threshold

    @property
    def caveat(self) -> str:
        return "it shows the confidences that an inversion climbs, those of the class that it is near to"

    def answer(self, asked: Asked, rng: Generator) -> Float[Tensor, "asked classes"]:
        return asked.probabilities.masked_fill(asked.probabilities < self.threshold, 0.0)
