"""Likelihood terms that several defenses have in common."""

from jaxtyping import Float
from torch import Tensor

SURE = 4.0
"""Weight of a size that is known, for each entry: as if its logarithm had a variance of 1 / (8 entries)."""
LEAST = 1e-4
"""Ratio of sizes below which all are as far off: zeros have a finite misfit."""
TINY = 1e-30
"""What stands for the size of a tensor of zeros."""


def off_size(given: Float[Tensor, ""], sent: Float[Tensor, ""], entries: int) -> Float[Tensor, ""]:
    """How far the size of a given tensor is from the one that was sent, in nats: squared, between logarithms.

    A dummy update far from the true one is wrong first of all in its sizes: those of a bright and of a dark image
    differ by factors, and a difference of logarithms leads from one to the other where one of entries ends half-way.
    """
    return SURE * entries * (given / sent.clamp_min(TINY) + LEAST).log().square()
