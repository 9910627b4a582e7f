"""Planted rows under known defenses: what is likely behind noise, each image as it is expected to be, and what clients
left out.

Rows that saturate are read one by one. Of rows with ReLUs all between two images have the same gradient but for noise,
so that means over these are compared, and not single neighbors: where a mean changes is told by least squares with a
price for each change (optimal partitioning, https://doi.org/10.1109/LSP.2001.838216).
"""

from dataclasses import replace
from math import log

import torch
from jaxtyping import Float64, Int64
from torch import Tensor, nn

from fedleak.contracts.observation import Observation

from ..public_prior import PublicPrior, Seen
from .bins import FAINT, OUTSIDE, Rows

UNLIKELY = 6.0
"""Standard deviations by which a change must explain more than noise does by chance."""

ENOUGH = 0.1
"""Share of an image that must have been sent."""


def likely_images(observation: Observation, rows: Rows, most: int) -> Float64[Tensor, "found pixels"]:
    """So many images at most, the surest first; none where nothing is likelier than noise alone."""
    prior = PublicPrior.of(observation)
    noise = rows.error / rows.front.scale.square().mean().sqrt()
    seen = Seen(weight=rows.front.gradient(rows.weight, rows.bias), bias=rows.bias, noise=noise, bias_noise=rows.error)
    evidence = prior.evidence(seen) - log(max(len(rows.bias), 1))  # so many rows could have it by chance
    ranked = evidence.argsort(descending=True, stable=True)
    return prior.expected(seen[ranked[evidence[ranked] > 0][:most]])


def changes(rows: Rows) -> Rows:
    """What lies between the means of rows that all see the same images, in place of what lies between neighbors."""
    ends = _partition(torch.cat([rows.weight, rows.bias[:, None]], 1), rows.error)
    pieces = torch.tensor_split(torch.arange(len(rows.bias)), ends[:-1])
    precise = rows.error.square().reciprocal()
    sums = torch.stack([precise[piece].sum() for piece in pieces])
    shares = [precise[piece] / total for piece, total in zip(pieces, sums, strict=True)]
    return replace(
        rows,
        weight=torch.stack([share @ rows.weight[piece] for share, piece in zip(shares, pieces, strict=True)]),
        bias=torch.stack([share @ rows.bias[piece] for share, piece in zip(shares, pieces, strict=True)]),
        error=sums.rsqrt(),
        lower=rows.lower[ends - 1],
        upper=rows.upper[ends - 1],
        sent=rows.sent[ends - 1],
    ).less_next()


def _partition(values: Float64[Tensor, "rows entries"], error: Float64[Tensor, " rows"]) -> Int64[Tensor, " pieces"]:
    """Where pieces of the same mean end."""
    count, entries = values.shape
    price = entries + UNLIKELY * (2.0 * entries) ** 0.5
    precise = error.square().reciprocal()
    weighted = values * precise[:, None]
    products = nn.functional.pad((weighted @ weighted.T).cumsum(0).cumsum(1), (1, 0, 1, 0))
    square, until = products.diagonal(), nn.functional.pad(precise.cumsum(0), (1, 0))
    best, begun = torch.zeros(count + 1, dtype=torch.float64), torch.zeros(count + 1, dtype=torch.long)
    for end in range(1, count + 1):
        explained = (square[end] - 2 * products[:end, end] + square[:end]) / (until[end] - until[:end])
        best[end], begun[end] = (best[:end] + explained - price).max(0)
    ends = [count]
    while begun[ends[-1]] > 0:
        ends.append(int(begun[ends[-1]]))
    return torch.tensor(ends[::-1])


def completed(observation: Observation, rows: Rows, read: Int64[Tensor, " read"]) -> Float64[Tensor, "found pixels"]:
    """Images of rows that lack entries, but for those that were read as they came, the loudest first.

    Where the largest entries are sent, what is missing of a row is smaller than all that came of it.
    """
    space, share = observation.task.space, rows.sent.double().mean(1)
    lacking = (share >= ENOUGH) & (share < 1) & (rows.bias.abs() > FAINT * rows.bias.abs().max())
    chosen = lacking.index_fill(0, read, False).nonzero()[:, 0]
    chosen = chosen[rows.bias[chosen].abs().argsort(descending=True, stable=True)]
    if not len(chosen):
        return rows.weight[:0]
    seen, sent = rows.weight[chosen] / rows.bias[chosen, None], rows.sent[chosen]
    low, high = (torch.full_like(seen, bound) for bound in space.bounds)
    if any(defense.sends_largest for defense in observation.defense):
        least = torch.where(sent, seen.abs(), torch.inf).amin(1, keepdim=True).expand_as(seen)
        ends = rows.front.images(-least), rows.front.images(least)
        low, high = low.maximum(torch.minimum(*ends)), high.minimum(torch.maximum(*ends))
    images, room = rows.front.images(seen), OUTSIDE * space.extent
    able = ~sent | ((images > space.bounds[0] - room) & (images < space.bounds[1] + room))
    return PublicPrior.of(observation).filled(images, sent, low, high)[able.all(1)]
