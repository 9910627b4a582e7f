"""Exposure: how many bits of a secret a ranking of all candidates gives away."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedleak.contracts.metric import metrics
from fedleak.goals.secrets import Rank, SecretMetric
from fedleak.learning.secret_format import MOST_DIGITS

SAME = 1e-7
"""Bits by which a rank by chance may differ through rounding; from five to six digits it is a thousand times more."""


@metrics.register("exposure")
@dataclass(frozen=True, kw_only=True)
class Exposure(SecretMetric):
    """`log2 |R| - log2 rank` of the secret among all |R| candidates for it, in bits.

    All of its bits (13.3 of four digits) where it is ranked first, 0 where last. A rank by chance has 1.44 in the mean.
    From 10 on it is among the first thousandth: so many attempts are soon made.
    """

    paper: ClassVar = "https://arxiv.org/abs/1802.08232"
    cites: ClassVar = "carlini2019secret"
    unit: ClassVar = "bits"
    higher_is_better: ClassVar = True
    bounds: ClassVar = (0.0, MOST_DIGITS * math.log2(10))
    threshold: ClassVar = 10.0
    margin: ClassVar = 0.0

    @classmethod
    def bounds_beside(cls, prior: float) -> tuple[float, float]:
        """At most all bits of the secret: a rank by chance has the more the more candidates there are."""
        sizes = [10**digits for digits in range(1, MOST_DIGITS + 1)]
        fits = [size for size in sizes if prior <= by_chance(size) + SAME]
        return 0.0, math.log2(fits[0] if fits else sizes[-1])

    def of_rank(self, rank: Rank) -> float:
        ranks = np.arange(rank.ahead + 1, rank.ahead + rank.alike + 2)
        return math.log2(rank.candidates) - float(np.log2(ranks).mean())


def by_chance(candidates: int) -> float:
    """What a rank by chance has in the mean: `log2 N - log2(N!) / N`."""
    return math.log2(candidates) - math.lgamma(candidates + 1) / math.log(2) / candidates
