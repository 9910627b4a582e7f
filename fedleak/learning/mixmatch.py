"""MixMatch: a classifier that learns from few labels and many examples without, over a network that may be trained.

Source: Berthelot et al. 2019, https://arxiv.org/abs/1905.02249.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor
from torch.nn.functional import batch_norm, linear, log_softmax, one_hot, softmax

from fedleak.learning.facts import LocalTraining
from fedleak.learning.optimizer import Optimizer
from fedleak.learning.weights import NamedTensors

Features = Callable[[NamedTensors, Tensor], Tensor]
"""What a network makes of examples on the parameters that are given, one vector for each."""
WEIGHT, BIAS, SCALE, SHIFT = "head/weight", "head/bias", "head/scale", "head/shift"
EPSILON = 1e-5


@dataclass(frozen=True, kw_only=True)
class MixMatch:
    """Guesses labels of what has none, sharpens them, and learns from mixtures of all that there is.

    A head of BatchNorm, ReLU and a linear layer lies on the network. Examples are augmented by Gaussian noise.
    """

    temperature: float = 0.5
    alpha: float = 0.75
    """Of the Beta distribution that says how much of an example is mixed into another."""
    unlabeled: float = 50.0
    """Weight of the squared error for guessed labels, from 0 up along a line over all steps."""
    copies: int = 2
    """Augmentations over which a guess is averaged."""
    noise: float = 0.1
    """Standard deviation of the noise."""
    steps: int = 150
    batch: int = 32
    learning_rate: float = 4e-3
    network_rate: float = 1.0
    """Of the network below the head, as a share of the head's; 0: it stays as it is."""
    average: float = 0.99
    """Of the moving average of weights, which answers."""

    def fit(
        self,
        features: Features,
        start: NamedTensors,
        labeled: tuple[Float[Tensor, "labeled *shape"], Int[Tensor, " labeled"]],
        others: Float[Tensor, "others *shape"],
        classes: int,
        rng: Generator,
    ) -> "Learnt":
        """Learns from labeled examples and from others, of which there are two at least."""
        inputs, labels = labeled
        with torch.no_grad():
            width = features(start, inputs[:1]).shape[1]
        point = {**start, **_head(width, classes, rng)}
        optimizer = Optimizer(LocalTraining(optimizer="adam", learning_rate=1.0))
        mean = dict(point)
        for step in range(self.steps):
            first, second = _drawn(len(inputs), self.batch, rng), _drawn(len(others), self.batch, rng)
            known = one_hot(labels[first], classes).to(point[WEIGHT])
            copies = [self._augmented(others[second], rng) for _ in range(self.copies)]
            guess = self._guessed(features, point, copies)
            mixed, wanted = self._mixed(
                torch.cat([self._augmented(inputs[first], rng), *copies]),
                torch.cat([known, *[guess] * len(copies)]),
                rng,
            )
            leaves = {name: self._leaf(name, value) for name, value in point.items()}
            scores = _scores(features, leaves, mixed)
            loss = self._loss(scores, wanted, len(first), (step + 1) / self.steps)
            moving = [name for name, value in leaves.items() if value.requires_grad]
            slopes = torch.autograd.grad(loss, [leaves[name] for name in moving])
            change = optimizer.change(dict(zip(moving, slopes, strict=True)), point, None, self.learning_rate)
            point |= {name: point[name] - self._rate(name) * one for name, one in change.items()}
            share = min(self.average, (step + 1) / (step + 10))  # at first the start counts for little
            mean = {name: share * mean[name] + (1 - share) * value for name, value in point.items()}
        return Learnt(features, mean, torch.cat([inputs, others]))

    def _rate(self, name: str) -> float:
        return 1.0 if name.startswith("head/") else self.network_rate

    def _leaf(self, name: str, value: Tensor) -> Tensor:
        return value.detach().requires_grad_(self._rate(name) > 0)

    def _augmented(self, inputs: Tensor, rng: Generator) -> Tensor:
        return inputs + self.noise * torch.randn(inputs.shape, generator=rng, dtype=inputs.dtype)

    def _guessed(self, features: Features, point: NamedTensors, copies: list[Tensor]) -> Float[Tensor, "batch classes"]:
        """The mean guess over augmentations, sharpened."""
        with torch.no_grad():
            said = torch.stack([softmax(_scores(features, point, one), 1) for one in copies]).mean(0)
        sharp = said ** (1 / self.temperature)
        return sharp / sharp.sum(1, keepdim=True)

    def _mixed(self, inputs: Tensor, labels: Tensor, rng: Generator) -> tuple[Tensor, Tensor]:
        """Each with another, more of itself than of that: MixUp, https://arxiv.org/abs/1710.09412."""
        one, two = torch._standard_gamma(torch.full((2,), self.alpha), generator=rng).tolist()
        share = max(one, two) / (one + two)
        order = torch.randperm(len(inputs), generator=rng)
        return share * inputs + (1 - share) * inputs[order], share * labels + (1 - share) * labels[order]

    def _loss(self, scores: Tensor, wanted: Tensor, known: int, risen: float) -> Float[Tensor, ""]:
        right = -(wanted[:known] * log_softmax(scores[:known], 1)).sum(1).mean()
        return right + self.unlabeled * risen * (softmax(scores[known:], 1) - wanted[known:]).square().mean()


@dataclass(frozen=True)
class Learnt:
    """What came of it."""

    features: Features
    weights: NamedTensors
    examples: Float[Tensor, "all *shape"]
    """What it learnt from, whose statistics the head's BatchNorm goes by."""

    def probabilities(self, inputs: Float[Tensor, "asked *shape"]) -> Float[Tensor, "asked classes"]:
        """How probable each class is."""
        with torch.no_grad():
            seen = self.features(self.weights, self.examples)
            statistics = seen.mean(0), seen.var(0, unbiased=False)
            return softmax(_scores(self.features, self.weights, inputs, statistics), 1)


def _head(width: int, classes: int, rng: Generator) -> NamedTensors:
    bound = 1 / math.sqrt(width)
    weight = (2 * torch.rand(classes, width, generator=rng) - 1) * bound
    return {WEIGHT: weight, BIAS: torch.zeros(classes), SCALE: torch.ones(width), SHIFT: torch.zeros(width)}


def _scores(
    features: Features, point: NamedTensors, inputs: Tensor, statistics: tuple[Tensor, Tensor] | None = None
) -> Float[Tensor, "batch classes"]:
    """On the statistics of the batch, or on those that are given."""
    mean, variance = statistics or (None, None)
    seen = features(point, inputs)
    normal = batch_norm(seen, mean, variance, point[SCALE], point[SHIFT], statistics is None, 0.1, EPSILON)
    return linear(normal.relu(), point[WEIGHT], point[BIAS])


def fresh(parameters: NamedTensors, rng: Generator) -> NamedTensors:
    """A network's parameters as they are before training: matrices and kernels are drawn as torch draws them.

    Of vectors those that are all alike, as the scales of a BatchNorm layer, stay; all others are biases, and 0.
    """
    return {name: _fresh(value, rng) for name, value in parameters.items()}


def _fresh(value: Tensor, rng: Generator) -> Tensor:
    if value.dim() > 1:
        bound = 1 / math.sqrt(value[0].numel())
        return ((2 * torch.rand(value.shape, generator=rng) - 1) * bound).to(value.dtype)
    alike = bool((value == value.flatten()[:1]).all())
    return value.detach().clone() if alike else torch.zeros_like(value)


def _drawn(count: int, batch: int, rng: Generator) -> Int[Tensor, " drawn"]:
    return torch.randperm(count, generator=rng)[:batch]
