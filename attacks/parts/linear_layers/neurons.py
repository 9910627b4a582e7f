"""Neuron-wise inversion: inputs of a linear layer as quotients of its weight and bias gradient."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

AGREEMENT = 5e-3
"""Root mean square difference, in units of the range, below which two neurons saw the same example."""
LOUD = 1e-3
"""Share of the largest bias gradient below which a neuron's quotient is rounding noise."""
MARGIN = 0.02
"""How far outside the range, in units of it, a quotient may lie and still be an example."""
FAR = 4.0
"""Standard deviations of noise that it may lie further outside."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """Guesses at the layer's inputs, how much of the gradient they leave unexplained, and how sure they are."""

    inputs: Float[Tensor, "guesses features"]
    mismatch: float
    note: str | None = None


def least_squares(weight: Float[Tensor, "neurons features"], bias: Float[Tensor, " neurons"]) -> Found:
    """The one input x that best explains `weight = bias xᵀ`: `Σ_i b_i G_i / Σ_i b_i²`, exact without noise.

    Source: https://doi.org/10.1109/TIFS.2017.2787987
    """
    inputs = (bias @ weight / bias.dot(bias))[None]
    return Found(inputs=inputs, mismatch=unexplained(weight, inputs))


def activated_by_one(
    weight: Float[Tensor, "neurons features"],
    bias: Float[Tensor, " neurons"],
    examples: int,
    noise: float = 0.0,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> Found:
    """At most `examples` inputs: first quotients that several neurons agree on, then the loudest within the bounds.

    Neurons that see a mixture mix each in its own proportion, so agreement distinguishes an example from a mixture. All
    that agree make one least-squares quotient. `noise` is the standard deviation of each entry of the gradient: it
    spreads a neuron's quotient by `noise / |bias|`, and neurons that it spreads by more than a tenth say nothing.
    """
    loud = bias.abs().argsort(descending=True, stable=True)
    loud = loud[bias[loud].abs() > max(LOUD * float(bias.abs().max()), 10 * noise)]
    quotients, spread = weight[loud] / bias[loud, None], noise / bias[loud].abs()
    low, high = bounds
    margin = (MARGIN * (high - low) + FAR * spread)[:, None]
    within = ((quotients > low - margin) & (quotients < high + margin)).all(1)
    loud, quotients, spread = loud[within], quotients[within], spread[within]
    groups = agreeing(quotients, spread, AGREEMENT * (high - low))
    largest = sorted(groups, key=len, reverse=True)[:examples]
    joined = [least_squares(weight[loud[group]], bias[loud[group]]).inputs for group in largest]
    inputs = torch.cat([quotients[:0], *joined])
    agreed = sum(len(group) > 1 for group in largest)
    guessed = len(inputs) - agreed
    return Found(
        inputs=inputs,
        mismatch=unexplained(weight, inputs),
        note=f"{agreed} of {examples} examples agreed on by two neurons or more, {guessed} guessed from one",
    )


def agreeing(
    quotients: Float[Tensor, "neurons features"], spread: Float[Tensor, " neurons"], near: float
) -> list[list[int]]:
    """The rows in groups of (nearly) equal ones, each off by `spread`; the first of a group is the loudest."""
    groups: list[list[int]] = []
    free = torch.ones(len(quotients), dtype=torch.bool)
    for row in range(len(quotients)):
        if free[row]:
            apart = (quotients - quotients[row]).square().mean(1)
            # Over many values the mean square of noise hardly varies, so a little more than its size is far.
            noise = 1.2 * (spread.square() + spread[row].square())
            same = free & (apart < near**2 + noise)
            groups.append(torch.nonzero(same).flatten().tolist())
            free &= ~same
    return groups


def unexplained(weight: Float[Tensor, "neurons features"], inputs: Float[Tensor, "guesses features"]) -> float:
    """Share of the weight gradient's energy outside the span of the guesses: 0 where they are all of the batch."""
    if not len(inputs):
        return 1.0
    basis = torch.linalg.qr(inputs.T).Q
    rest = weight - weight @ basis @ basis.T
    return float(rest.square().sum() / weight.square().sum().clamp_min(1e-300))
