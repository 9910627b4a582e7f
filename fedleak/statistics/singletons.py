"""Singletons: how many of N examples, each in one of k bins by chance, are alone in theirs."""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from jaxtyping import Float64
from scipy.special import betaln, gammaln, xlogy

RAREST = 700.0
"""Minus the logarithm of a probability that is as good as none, and still a number."""


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

    Of no more examples than bins, equal bins leave the most alone: bins that are not equal stay below it all the more.
    """
    return most_together([singleton_distribution(examples, bins)] * draws, chance)


def most_together(draws: Iterable[Float64[np.ndarray, " counts"]], chance: float = 1e-3) -> int:
    """A sum of independent counts, each of its distribution, that chance goes beyond at most so often."""
    whole = np.ones(1)
    for one in draws:
        whole = np.convolve(whole, one)
    beyond = np.cumsum(whole[::-1])[::-1]  # at place s: the probability of s or more
    return int((beyond > chance).sum()) - 1


def singleton_distribution(examples: int, bins: int) -> Float64[np.ndarray, " counts"]:
    """The probability of each count of examples that are alone in their bin."""
    return returned_distribution(examples, bins)


@lru_cache(maxsize=64)
def returned_distribution(
    examples: int, bins: int, read: int | None = None, mixed: float = 0.0
) -> Float64[np.ndarray, " counts"]:
    """The probability of each count of bins that give an example back, of all or of so many that are read.

    A bin does that has one, and one that has several with probability `mixed`: at 1, each that has any.

    Bins that have independent Poisson numbers of examples, r = N / k on average, are such bins once their sum is N. Let
    g(z) and h(z) generate the number of examples in a bin that gives one back and in one that does not, their sum
    `e^(rz-r)`, and g = g(1). Of m bins that are read
    `P(s) = C(m, s) g^s (1-g)^(m-s) [z^N] (g(z)/g)^s (h(z)/(1-g))^(m-s) e^((k-m)(rz-r)) / P(sum = N)`. Coefficients are
    sums over a circle, exact but for rounding.
    """
    read = bins if read is None else read
    rate, points = examples / bins, 4 * examples + 64  # a sum beyond those never happens
    circle = np.exp(2j * np.pi * np.arange(points) / points)
    empty = np.exp(-min(rate, RAREST))
    alone = rate * empty * circle
    several = np.exp(rate * (circle - 1.0)) - alone - empty
    giving, silent = alone + mixed * several, empty + (1.0 - mixed) * several
    share, other = float(giving[0].real), float(silent[0].real)
    logs = np.log(giving / share), np.log(silent / other)
    rest = (bins - read) * rate * (circle - 1.0) - 2j * np.pi * np.arange(points) / points * examples
    distribution = np.zeros(examples + 1)
    for count in range(min(examples, read) + 1):
        found = np.exp(count * logs[0] + (read - count) * logs[1] + rest)
        distribution[count] = max(float(found.real.mean()), 0.0)
    counts = np.arange(min(examples, read) + 1)
    ways = -betaln(read - counts + 1, counts + 1) - np.log1p(read)
    chances = ways + xlogy(counts, share) + xlogy(read - counts, other)
    summed = xlogy(examples, examples) - examples - gammaln(examples + 1)
    distribution[: len(counts)] *= np.exp(chances - summed)
    return distribution
