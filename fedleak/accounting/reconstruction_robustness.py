"""The most often that any attack can succeed under a guarantee, given how often one succeeds without the update."""

import math

from scipy.special import ndtr, ndtri


def gaussian_success(prior: float, shift: float) -> float:
    """`Φ(Φ⁻¹(prior) + shift)`: the highest chance of success of any attack, with any knowledge, on normal noise.

    `shift` is `sqrt(T) / z` for T releases whose noise is z times the contribution (`Guarantee.shift`). The prior at
    0, 1 at infinity; tight. Sources: Hayes et al. 2023, https://arxiv.org/abs/2302.07225; Kaissis et al. 2023,
    https://arxiv.org/abs/2307.03928.
    """
    if prior <= 0:
        return 0.0 if math.isfinite(shift) else 1.0
    if prior >= 1 or math.isinf(shift):
        return 1.0
    return float(ndtr(ndtri(prior) + shift))
