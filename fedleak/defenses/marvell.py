"""Marvell: the noise on gradients that tells two classes apart the least."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Num
from torch import Generator, Tensor

from fedleak.contracts.defense import Defense, defenses
from fedleak.errors import ConfigError
from fedleak.learning.task import Task
from fedleak.settings.base import Amount

GOLDEN = (math.sqrt(5) - 1) / 2
NARROWINGS = 80
"""Of an interval by the golden ratio: to 2e-17 of its length."""


@defenses.register("marvell")
@dataclass(frozen=True, kw_only=True)
class Marvell(Defense):
    """Adds Gaussian noise to the gradients for embeddings, shaped for each class so that the label shows the least.

    Of all noise of that power (mean square length over the batch) it has the least sum of KL divergences between the
    two classes, one from the other and back, if the gradients of a class are isotropic Gaussian: with the mean and mean
    variance that they have in the batch. Where a batch has one class alone, the other's mean is taken for zero, which
    is ours. Nothing is proved of it beyond one step, nor of gradients that are not as assumed: what a party is sent of
    a row in every epoch adds up. It is for two classes.
    """

    paper: ClassVar = "https://arxiv.org/abs/2102.08504"
    cites: ClassVar = "li2022label"
    power: Amount
    """Mean square length of the noise, in units of the squared distance of the two classes' mean gradients."""

    def require(self, task: Task) -> None:
        if task.classes != 2 or task.criterion.several_labels:
            many = f"{task.classes} labels" if task.criterion.several_labels else f"{task.classes} classes"
            raise ConfigError(
                f"'{self.name}' hides which of two classes an example has, and '{task.name}' has {many}; take "
                "slope-noise"
            )

    def slope(
        self, slope: Float[Tensor, "batch *embedding"], labels: Num[Tensor, "batch *classes"], rng: Generator
    ) -> Float[Tensor, "batch *embedding"]:
        flat = slope.flatten(1)
        classes = [flat[labels == label].double() for label in (0, 1)]
        means = [own.mean(0) if len(own) else torch.zeros(flat.shape[1], dtype=torch.float64) for own in classes]
        apart = means[1] - means[0]
        distance = float(apart.norm())
        if not (self.power and distance):
            return slope
        spread = [
            float((own - mean).square().mean()) / distance**2 if len(own) else 0.0
            for own, mean in zip(classes, means, strict=True)
        ]
        best = least_divergence(spread[0], spread[1], flat.shape[1], len(classes[1]) / len(flat), self.power)
        # All draws are made whatever is needed, so that they do not go by the labels.
        along, across = (torch.randn(size, generator=rng, dtype=torch.float64) for size in ((len(flat), 1), flat.shape))
        which = labels.long()
        long, short = (torch.tensor(pair, dtype=torch.float64)[which, None] for pair in (best.along, best.across))
        noise = (long - short).clamp_min(0).sqrt() * along * (apart / distance) + short.sqrt() * across
        return (flat + distance * noise.to(flat)).reshape(slope.shape)


@dataclass(frozen=True, kw_only=True)
class Variances:
    """Of the noise of both classes: along the difference of their means, and in each direction across it."""

    along: tuple[float, float]
    across: tuple[float, float]


def least_divergence(of_0: float, of_1: float, dimensions: int, share: float, power: float) -> Variances:
    """The noise of the paper's theorem 2, for two classes of these variances whose means are at distance 1.

    `share` is how much of the batch has class 1. In logarithms of all variances it is a convex problem. Across, noise
    is for the class with less variance, if anything; what power that leaves goes along the difference, all of it.
    """
    if share in (0.0, 1.0):
        along = (power, 0.0) if share == 0 else (0.0, power)
        return Variances(along=along, across=(0.0, 0.0))
    quiet, loud = sorted((of_0, of_1))
    cost = (dimensions - 1) * (share if of_1 < of_0 else 1 - share)
    most = min(loud - quiet, power / cost) if cost else 0.0

    def shared_out(left: float, to_1: float) -> tuple[float, float]:
        return (1 - to_1) * left / (1 - share), to_1 * left / share

    def apart_along(left: float) -> Callable[[float], float]:
        return lambda to_1: _divergence(of_0, of_1, 1.0, *shared_out(left, to_1))

    def left_by(added: float) -> float:
        return max(power - cost * added, 0.0)

    def apart(added: float) -> float:
        left = left_by(added)
        across = _divergence(quiet, loud, 0.0, added, 0.0)
        along = apart_along(left)
        return (dimensions - 1) * across + along(_least(along, 1.0))

    added = _least(apart, most)
    left = left_by(added)
    return Variances(
        along=shared_out(left, _least(apart_along(left), 1.0)),
        across=(0.0, added) if of_1 < of_0 else (added, 0.0),
    )


def _divergence(of_0: float, of_1: float, apart: float, noise_0: float, noise_1: float) -> float:
    """KL(0, 1) + KL(1, 0) of two Gaussians on a line, by variances, noises and the distance of their means."""
    one, other = of_0 + noise_0, of_1 + noise_1
    if one == other == 0:
        return math.inf if apart else 0.0
    if one == 0 or other == 0:
        return math.inf
    return ((one + apart**2) / other + (other + apart**2) / one) / 2 - 1


def _least(of: Callable[[float], float], end: float) -> float:
    """Where a function that first falls and then rises between 0 and `end` is least, by golden sections."""
    low, high = 0.0, end
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_left, at_right = of(left), of(right)
    for _ in range(NARROWINGS):
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - GOLDEN * (high - low)
            at_left = of(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + GOLDEN * (high - low)
            at_right = of(right)
    return min((0.0, end, (low + high) / 2), key=of)
