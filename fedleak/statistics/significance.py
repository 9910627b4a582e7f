"""The probability that chance alone makes differences such as were seen, and how to read many of them at once."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import bdtr, stdtr

from fedleak.statistics.intervals import Units

ROUNDING = 1e-9
"""Part of a figure that another machine's arithmetic may change; smaller differences count as none."""


def holm(p_values: Sequence[float]) -> list[float]:
    """Each p-value as it must be read when all are looked at together; NaN stays NaN and does not count.

    The smallest times the number of tests, the next times one less, and so on, none below the one before it.
    Source: Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure", https://www.jstor.org/stable/4615733.
    """
    tests = sorted((i for i, p in enumerate(p_values) if not math.isnan(p)), key=p_values.__getitem__)
    corrected, least = list(p_values), 0.0
    for place, i in enumerate(tests):
        least = max(least, min(1.0, (len(tests) - place) * p_values[i]))
        corrected[i] = least
    return corrected


def paired_t_test(units: Units, scale: float) -> float:
    """The probability of differences as far from 0 if nothing differed; `scale` is the size of what was compared.

    Differences that are all the same have no spread to judge by, so theirs is the probability that all have the same
    sign (an exact sign-flip test); 1 where they are 0.
    """
    count, means = len(units), units.means
    if count < 2:
        return math.nan
    if not agree(units, scale):
        t = means.mean() / (means.std(ddof=1) / math.sqrt(count))
        return float(2 * stdtr(count - 1, -abs(t)))
    return 1.0 if abs(means.mean()) <= ROUNDING * scale else 2.0 ** (1 - count)


def sign_test(units: Units) -> float:
    """The probability of as many differences of one sign if either were as likely; units without one do not count.

    Of hits and misses this is McNemar's test, exact. Source: McNemar 1947, https://doi.org/10.1007/BF02295996.
    """
    up, down = int((units.totals > 0).sum()), int((units.totals < 0).sum())
    return min(1.0, 2 * float(bdtr(min(up, down), up + down, 0.5)))


def agree(units: Units, scale: float) -> bool:
    """Whether all differences are the same; `scale` is the size of what was compared."""
    return bool(np.ptp(units.means) <= ROUNDING * scale)
