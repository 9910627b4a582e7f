"""How many draws an exact attack on a linear layer with ReLU needs: the price of separating a batch."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool
from torch import Tensor

POINTS = 20_000
"""Of the integral; its error is far below what the price is told to."""


def expected_draws(active: Bool[Tensor, "batch units"]) -> float:
    """Expected draws of rows until every example of the batch was found; infinite where one never can be.

    SPEAR draws B - 1 of the layer's m rows. Where all of them are zero for example i, their common null vector is that
    example's column of the factorisation. With z_i of the m neurons off for example i a draw finds it with probability
    `p_i = C(z_i, B - 1) / C(m, B - 1)`, and all B of them take a coupon collector with these chances. It is a lower
    bound: rows that depend on each other are drawn in vain. Source: https://arxiv.org/abs/2403.03945
    """
    examples, neurons = active.shape
    zeros = (~active).sum(1).tolist()
    if any(off == neurons for off in zeros):
        return math.inf  # an example that switches nothing on leaves nothing behind
    return collector([_chance(off, neurons, examples - 1) for off in zeros])


def collector(chances: Sequence[float]) -> float:
    """Expected draws until each coupon was drawn at least once: `∫ 1 - Π_i (1 - exp(-p_i t)) dt`."""
    if min(chances) <= 0.0:
        return math.inf
    start, end = 1e-6 / max(chances), 60.0 / min(chances)
    log_t = np.linspace(math.log(start), math.log(end), POINTS)
    t = np.exp(log_t)
    missing = 1.0 - np.prod([-np.expm1(-chance * t) for chance in chances], axis=0)
    return start + float(np.trapezoid(missing * t, log_t))


def _chance(zeros: int, neurons: int, rows: int) -> float:
    """That `rows` different rows are all among the `zeros` of `neurons`."""
    if zeros < rows:
        return 0.0
    return math.exp(_log_choose(zeros, rows) - _log_choose(neurons, rows))


def _log_choose(of: int, chosen: int) -> float:
    return math.lgamma(of + 1) - math.lgamma(chosen + 1) - math.lgamma(of - chosen + 1)
