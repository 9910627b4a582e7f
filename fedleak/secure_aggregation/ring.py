"""Fixed-point numbers in the ring: what is masked are integers modulo 2^64 or 2^32, and numbers have binary places.

In 64 bits nothing is ever clipped: what could overflow is refused. In 32 bits the greatest value is declared, and
values beyond it are cut to it and counted.
"""

from dataclasses import dataclass
from math import floor, log2

import numpy as np
from jaxtyping import Float64, UInt

from fedleak.errors import FederationError

from .masks import RINGS

Elements = UInt[np.ndarray, " entries"]
Values = Float64[np.ndarray, " entries"]


@dataclass(frozen=True)
class FixedPoint:
    """How a number is written as an element of the ring: rounded to `places` binary places, as a signed integer."""

    bits: int
    places: int

    def limit(self, cohort: int) -> float:
        """What every value must stay below, so that no sum over a cohort overflows."""
        return 2.0 ** (self.bits - 1 - self.places) / cohort

    def elements(self, values: Values) -> Elements:
        """The values as they are added up; finite, and within the limit."""
        rounded: Elements = np.rint(np.ldexp(values, self.places)).astype(f"i{self.bits // 8}").view(RINGS[self.bits])
        return rounded

    def values(self, elements: Elements) -> Values:
        """Elements read as signed numbers."""
        if elements.dtype != RINGS[self.bits]:
            raise FederationError(
                f"secure-aggregation: a vector over the ring has elements of {self.bits} bits, and {elements.dtype} "
                "came"
            )
        return np.ldexp(elements.view(f"i{self.bits // 8}").astype(np.float64), -self.places)

    def counts(self, *numbers: int) -> Elements:
        """Whole numbers as elements, without binary places."""
        return np.array(numbers, dtype=f"i{self.bits // 8}").view(RINGS[self.bits])


def most_places(bits: int, greatest: float, cohort: int) -> int:
    """The most binary places with which a sum over a cohort of values up to `greatest` does not overflow.

    Rounding may lift a value by half a step, so one step is left for each client.
    """
    places = floor(bits - 1 - log2(greatest * cohort))
    while cohort * (greatest * 2.0**places + 1) >= 2.0 ** (bits - 1):
        places -= 1
    return places
