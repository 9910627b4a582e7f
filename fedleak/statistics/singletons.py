"""Singletons: how many of N examples, each in one of k bins by chance, are alone in theirs."""

from functools import lru_cache

import numpy as np
from jaxtyping import Float64
from scipy.stats import binom, poisson


def expected_share(examples: int, bins: int) -> float:
    """The share of examples that are alone in their bin, `(1 - 1/k)^(N-1)`, where all k bins are equally likely."""
    return float((1.0 - 1.0 / bins) ** (examples - 1)) if examples else 0.0


def expected_alone(examples: int, bins: int, *, read: float = 1.0, merging: bool = False) -> float:
    """How many examples are alone in a bin that is read, where of all k bins a share is, drawn at random.

    Merging: what is in a bin that is not read counts for the nearest one below that is, as where each bin is what two
    thresholds differ by. An example is then in l bins at once with probability `l p^2 (1 - p)^(l - 1)`; that there are
    ends is left out of this.
    """
    if not merging or read == 1.0:
        return examples * read * expected_share(examples, bins)
    widths = np.arange(1, bins + 1)
    chances = widths * read**2 * (1.0 - read) ** (widths - 1)
    return float(examples * (chances @ (1.0 - widths / bins) ** (examples - 1))) if examples else 0.0


def most_singletons(examples: int, bins: int, draws: int = 1, chance: float = 1e-3) -> int:
    """A count of examples that are alone, in several draws together, that chance goes beyond at most so often.

    Equal bins leave the most examples alone: bins that are not equal stay below it all the more.
    """
    one = whole = singleton_distribution(examples, bins)
    for _ in range(draws - 1):
        whole = np.convolve(whole, one)
    beyond = np.cumsum(whole[::-1])[::-1]  # at place s: the probability of s or more
    return int((beyond > chance).sum()) - 1


@lru_cache(maxsize=64)
def singleton_distribution(examples: int, bins: int) -> Float64[np.ndarray, " counts"]:
    """The probability of each count of examples that are alone, from 0 on; exact but for rounding.

    Bins that have independent Poisson numbers of examples, r = N / k on average, are such bins once their sum is N:
    `P(s) = C(k, s) (r e^-r)^s [z^(N-s)] p(z)^(k-s) / P(sum = N)` with `p(z) = e^-r (e^(rz) - rz)`, a bin that has none
    or several.
    """
    rate, most = examples / bins, min(examples, bins)
    filled = poisson.pmf(np.arange(examples + 1), rate)
    crowded = np.where(np.arange(examples + 1) == 1, 0.0, filled)
    power = _power(crowded, bins - most)
    distribution = np.zeros(examples + 1)
    for alone in range(most, -1, -1):
        distribution[alone] = power[examples - alone] * binom.pmf(alone, bins, filled[1])
        distribution[alone] /= float(1.0 - filled[1]) ** (bins - alone)
        power = np.convolve(power, crowded)[: examples + 1]
    distribution /= poisson.pmf(examples, examples)
    return distribution


def _power(series: Float64[np.ndarray, " terms"], exponent: int) -> Float64[np.ndarray, " terms"]:
    """A power series to a whole power, cut off where it was."""
    result = np.zeros_like(series)
    result[0] = 1.0
    while exponent:
        if exponent & 1:
            result = np.convolve(result, series)[: len(series)]
        series, exponent = np.convolve(series, series)[: len(series)], exponent >> 1
    return result
