"""Smoothed quantiles: where along a line thresholds stand, so that unseen examples fall evenly between them."""

import numpy as np
from jaxtyping import Float64
from scipy.special import ndtr
from torch import Tensor, from_numpy

GRID = 4096
"""Points that the distribution function is computed at; between them it is a straight line."""
KERNELS = 1024
"""Values at most that the distribution is told from; of more, as many evenly spaced in their order."""
TAILS = 5.0
"""Widths of the kernel beyond the outermost example at which the distribution ends."""


def silverman_width(values: Float64[np.ndarray, " values"]) -> float:
    """`0.9 min(s, IQR / 1.349) n^(-1/5)`, the rule of thumb for the width of a normal kernel.

    Source: Silverman 1986, "Density Estimation for Statistics and Data Analysis", p. 48.
    """
    quarter, three_quarters = np.percentile(values, [25, 75])
    spread = float(values.std(ddof=1))
    robust = float(three_quarters - quarter) / 1.349
    return 0.9 * (min(spread, robust) if robust > 0 else spread) / float(len(values) ** 0.2)


def smoothed_quantiles(
    values: Float64[Tensor, " values"], levels: Float64[Tensor, " levels"]
) -> Float64[Tensor, " levels"]:
    """The quantiles at some levels of the values' distribution, smoothed with a normal kernel."""
    known = values.numpy()
    if len(known) > KERNELS:
        known = np.quantile(known, (np.arange(KERNELS) + 0.5) / KERNELS)
    width = max(silverman_width(known), 1e-12 * float(np.abs(known).max(initial=1.0)))
    grid = np.linspace(known.min() - TAILS * width, known.max() + TAILS * width, GRID)
    below = ndtr((grid[:, None] - known[None]) / width).mean(1)
    return from_numpy(np.interp(levels.numpy(), below, grid))
