"""Shapiro's and Wilk's W of many samples, as Royston approximates it; SciPy's without the cost of a call."""

import math
from functools import lru_cache

import numpy as np
from jaxtyping import Float64
from scipy.special import ndtri

ENDS = np.array(
    [[0.221157, -0.147981, -2.07119, 4.434685, -2.706056], [0.042981, -0.293762, -1.752461, 5.682633, -3.582633]]
)
"""For the last value and the last but one, of the powers 1 to 5 of the square root of one over how many there are."""


def shapiro_wilk(ordered: Float64[np.ndarray, " values"]) -> float:
    """How much a sample looks normal, up to 1, by its values in ascending order: six or more, and not all the same.

    Source: Royston, Remark AS R94, Applied Statistics 44 (1995).
    """
    about = ordered - ordered[len(ordered) // 2]  # no digits are lost where all are far from 0
    about -= np.add.reduce(about) / len(about)
    return float(_weights(len(about)) @ about) ** 2 / float(about @ about)


@lru_cache(maxsize=2048)
def _weights(values: int) -> Float64[np.ndarray, " values"]:
    """What the ordered values are weighted by, of length 1: nearly as values of a normal distribution are expected."""
    expected = ndtri((np.arange(1, values // 2 + 1) - 0.375) / (values + 0.25))
    length = math.sqrt(2 * expected @ expected)
    ends = ENDS @ values ** (-np.arange(1, 6) / 2) - expected[:2] / length
    left = (1 - 2 * ends @ ends) / (length**2 - 2 * expected[:2] @ expected[:2])
    upper = np.concatenate([ends, -expected[2:] * math.sqrt(left)])
    weights = np.concatenate([-upper, np.zeros(values % 2), upper[::-1]])
    return np.asarray(weights / np.linalg.norm(weights))
