"""Rounded confidences."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from jaxtyping import Float
from pydantic import Field
from torch import Generator, Tensor

from fedleak.contracts.defense import Defense, defenses
from fedleak.contracts.traffic import Asked


@defenses.register("rounding")
@dataclass(frozen=True, kw_only=True)
class Rounding(Defense):
    """Rounds every probability that is answered to some decimal digits.

    Rows then sum to 1 only nearly. Ties go to the even digit.
    """

    paper: ClassVar = "https://arxiv.org/abs/1609.02943"
    cites: ClassVar = "tramer2016stealing"
    adaptive_strategy: ClassVar[str] = "asks at points so far apart that answers differ by more than a rounding step"
    digits: Annotated[int, Field(ge=1, le=16)] = 2
    """After the decimal point."""

    @property
    def resolution(self) -> float:
        return 10.0**-self.digits

    def answer(self, asked: Asked, rng: Generator) -> Float[Tensor, "asked classes"]:
        # In single precision the product alone would be off by more than the rounding.
        return asked.probabilities.double().round(decimals=self.digits).to(asked.probabilities.dtype)
