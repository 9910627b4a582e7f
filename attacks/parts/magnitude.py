"""Counts by magnitude: what one more example of a class takes off its signal."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def by_magnitude(
    signals: Float[Tensor, " classes"], impact: float, examples: int, offsets: Float[Tensor, " classes"] | None = None
) -> Int[Tensor, " classes"]:
    """Names each class of negative signal once, then always the lowest; each naming raises that signal by `-impact`.

    `impact` (negative) is what one example adds to the signal of its class, `offsets` what the others add to it.

    Source: https://arxiv.org/abs/2105.09369
    """
    left = signals.clone() if offsets is None else signals - offsets
    counts = torch.zeros(len(signals), dtype=torch.long)
    negative = signals.argsort(stable=True)[: int((signals < 0).sum())]
    for named in negative[:examples]:
        counts[named] += 1
        left[named] -= impact
    for _ in range(examples - int(counts.sum())):
        lowest = int(left.argmin())
        counts[lowest] += 1
        left[lowest] -= impact
    return counts


def shared_impact(signals: Float[Tensor, " classes"], examples: int) -> float:
    """What an example takes off on average, if each class's negative signal came from its own examples alone."""
    return float(signals.clamp_max(0.0).sum()) / examples
