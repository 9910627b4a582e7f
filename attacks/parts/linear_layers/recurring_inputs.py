"""Recurring inputs: examples that show in the first layer of several sums, in which, and which of them share a client.

Everything here is of the first layer's weight and bias gradients `Σ_j d_j x_jᵀ` and `Σ_j d_j`, whatever number of
clients and local steps there were. Source: https://arxiv.org/abs/2306.07644
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from fedleak.contracts.observation import Observation
from fedleak.gradients.rank import CLEAR, LowRank, low_rank, outside, rounding_of

from .first_layer import FirstLayer
from .neurons import AGREEMENT, FAR, LOUD, MARGIN, agreeing, least_squares
from .pixelwise import Pixelwise, pixelwise

ALIKE = 1e-6
"""Root mean square difference beyond noise, in units of the range, up to which quotients are of one example. Mixtures
of two examples of a class differ at the neurons of a fresh network by as little as 1e-5."""
SHARP = 1e-3
"""Standard deviation that noise may give a quotient, at most."""
ROUNDED = 1e-5
"""What single precision takes off an image, relative to it."""
LOOSE = 10.0
"""How many times its standard deviation an error may be."""
TAKEN = 1e-3
"""Share of a neuron's gradient that an example must have in it to count as one that moved it."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The first layer in one sum, as if it saw the images themselves."""

    weight: Float64[Tensor, "neurons pixels"]
    """Its gradient."""
    bias: Float64[Tensor, " neurons"]
    """Its gradient."""
    factors: LowRank
    start: Float64[Tensor, "neurons features"]
    """The layer's weights before the round."""
    shift: Float64[Tensor, " neurons"]
    """The layer's biases before the round."""
    front: Pixelwise

    @classmethod
    def of(cls, message: Observation, layer: FirstLayer) -> "Seen":
        """As a message shows it; raises `NotApplicable` where something stands between image and layer."""
        gradient, before = message.gradient(), message.before.parameters
        front, bias = pixelwise(message, layer), gradient[layer.bias].double()
        weight = front.gradient(gradient[layer.weight].double(), bias)
        rounding = rounding_of(message, layer.weight) / float(front.scale.abs().min())
        return cls(
            weight=weight,
            bias=bias,
            factors=low_rank(weight, message.examples(), rounding),
            start=before[layer.weight].double(),
            shift=before[layer.bias].double(),
            front=front,
        )

    @property
    def loud(self) -> Bool[Tensor, " neurons"]:
        """The neurons whose quotient of weight and bias gradient noise leaves sharp enough to tell mixtures."""
        limit = max(LOUD * float(self.bias.abs().max()), self.factors.noise / SHARP)
        loud: Tensor = self.bias.abs() > limit
        return loud

    def contains(self, inputs: Float64[Tensor, "inputs pixels"]) -> Bool[Tensor, " inputs"]:
        """Whether each is a combination of the weight gradient's rows, as every example of the sum is.

        None is said to be where the rows span more than the examples, or nearly all images: that would prove nothing.
        """
        rank, pixels = self.factors.rank, inputs.shape[1]
        if not rank or 2 * rank > pixels or self.factors.tail > CLEAR:
            return torch.zeros(len(inputs), dtype=torch.bool)
        within = inputs @ self.factors.right.T
        blur = self.factors.noise * (within / self.factors.left.norm(dim=0)).norm(dim=1) * pixels**0.5
        error = LOOSE * blur / inputs.norm(dim=1).clamp_min(1e-300)
        inside: Tensor = outside(inputs, self.factors.right) < ROUNDED + error
        return inside

    def awake(self, inputs: Float64[Tensor, "inputs pixels"]) -> Bool[Tensor, "inputs neurons"]:
        """The neurons that each wakes before the round."""
        return self.front.features(inputs) @ self.start.T + self.shift > 0


@dataclass(frozen=True, kw_only=True)
class Recurring:
    """Examples, the most often seen first, and in which of the sums each is."""

    inputs: Float64[Tensor, "inputs pixels"]
    present: Bool[Tensor, "inputs sums"]


def recurring(sums: Sequence[Seen], bounds: tuple[float, float]) -> Recurring:
    """The quotients that two neurons or more agree on, in one sum or in several.

    A quotient is the one example that moved the neuron, or a mixture of several, which is another at every neuron (and
    nearly the same at one neuron from round to round): only an example recurs.
    """
    low, high = bounds
    found = [(place, seen.loud) for place, seen in enumerate(sums)]
    weight = torch.cat([sums[place].weight[loud] for place, loud in found])
    bias = torch.cat([sums[place].bias[loud] for place, loud in found])
    spread = torch.cat([sums[place].factors.noise / sums[place].bias[loud].abs() for place, loud in found])
    neuron = torch.cat([torch.nonzero(loud).flatten() for _, loud in found])
    source = torch.cat([torch.full((len(sums[place].bias[loud]),), place) for place, loud in found])
    quotients = weight / bias[:, None]
    margin = (MARGIN * (high - low) + FAR * spread)[:, None]
    within = ((quotients > low - margin) & (quotients < high + margin)).all(1)
    order = torch.nonzero(within).flatten()
    order = order[spread[order].argsort(stable=True)]  # the surest first: the others are compared with them
    groups = [order[group] for group in agreeing(quotients[order], spread[order], ALIKE * (high - low))]
    groups = sorted((group for group in groups if len(set(neuron[group].tolist())) > 1), key=len, reverse=True)
    inputs = torch.cat([weight[:0], *(least_squares(weight[group], bias[group]).inputs for group in groups)])
    shown = [[bool((source[group] == place).any()) for place in range(len(sums))] for group in groups]
    spanned = torch.stack([seen.contains(inputs) for seen in sums], 1)
    present = torch.tensor(shown, dtype=torch.bool).reshape(spanned.shape) | spanned
    again = agreeing(inputs, torch.zeros(len(inputs)), AGREEMENT * (high - low))  # one may recur with other noise
    firsts = [group[0] for group in again]
    return Recurring(
        inputs=inputs[firsts],
        present=torch.stack([present[:0].any(0), *(present[group].any(0) for group in again)])[1:],
    )


def same_client(sums: Sequence[Seen], found: Recurring, possible: Callable[[set[int]], bool] = bool) -> list[set[int]]:
    """The examples in groups of which each is of one client; groups that are not `possible` are not made.

    A client's copy of a neuron moves in its local steps only if an example of its own wakes it; until then the neuron
    sleeps for all the client's examples that it slept for before. So where all examples that wake a neuron before the
    round are of one client, those that moved it and did not wake it then are that client's too. Only neurons whose
    gradient the known examples explain to the last are asked.
    """
    groups: list[set[int]] = [{number} for number in range(len(found.inputs))]
    evidence = [pair for place, seen in enumerate(sums) for pair in _movers(seen, found, place)]
    while merged := next(filter(None, (_merged(groups, *pair, possible) for pair in evidence)), None):
        groups = merged
    return groups


def _merged(
    groups: list[set[int]], first: set[int], later: set[int], possible: Callable[[set[int]], bool]
) -> list[set[int]] | None:
    """The groups with those of `later` joined to the one that has all of `first`; None where nothing changes."""
    home = next((group for group in groups if first <= group), None)
    if home is None or later <= home:
        return None
    joined = home.union(*(group for group in groups if group & later))
    return [*(group for group in groups if not group <= joined), joined] if possible(joined) else None


def _movers(seen: Seen, found: Recurring, place: int) -> list[tuple[set[int], set[int]]]:
    """Of each neuron of a sum that is explained whole: the examples that woke it before the round, and the later."""
    known = torch.nonzero(found.present[:, place]).flatten()
    if not len(known):
        return []
    inputs = found.inputs[known]
    shares: Tensor = torch.linalg.lstsq(inputs.T, seen.weight.T, driver="gelsd").solution.T
    noise = LOOSE * seen.factors.noise * inputs.shape[1] ** 0.5 + ROUNDED * seen.weight.norm(dim=1)
    whole = (shares @ inputs - seen.weight).norm(dim=1) < noise
    whole &= (shares.sum(1) - seen.bias).abs() < noise
    sizes = shares.abs() * inputs.norm(dim=1)
    moved = sizes > (TAKEN * sizes.amax(1, keepdim=True)).clamp_min(LOOSE * seen.factors.noise)
    awake = seen.awake(inputs).T
    pairs = []
    for neuron in torch.nonzero(whole & (moved & ~awake).any(1) & (moved & awake).any(1)).flatten().tolist():
        first, later = awake[neuron], moved[neuron] & ~awake[neuron]
        pairs.append((set(known[first].tolist()), set(known[later].tolist())))
    return pairs
