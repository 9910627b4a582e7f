"""An update: the named tensors that a client sends, also as one vector, as a gradient or as a weight delta."""

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from fedleak.learning.facts import LocalTraining
from fedleak.learning.optimizer import rates
from fedleak.learning.weights import NamedTensors


class UpdateKind(StrEnum):
    """The two meanings of "update" in the literature; `Update.as_gradient` is the one conversion."""

    GRADIENT = "gradient"
    DELTA = "delta"


@dataclass(frozen=True)
class Update:
    """Named tensors in the order of the model's parameters; says whether it is a gradient or a weight delta."""

    tensors: NamedTensors
    kind: UpdateKind

    def vector(self) -> Float[Tensor, " entries"]:
        """All tensors flattened and joined."""
        return torch.cat([value.reshape(-1) for value in self.tensors.values()])

    def with_vector(self, vector: Float[Tensor, " entries"]) -> "Update":
        """The same names and shapes filled from `vector`."""
        sizes = [value.numel() for value in self.tensors.values()]
        pieces = torch.split(vector, sizes)
        return Update(
            {
                name: piece.reshape(value.shape)
                for (name, value), piece in zip(self.tensors.items(), pieces, strict=True)
            },
            self.kind,
        )

    def clipped(self, max_norm: float) -> "Update":
        """The update scaled down to Euclidean norm `max_norm`; a shorter one, zeros too, is left alone."""
        if math.isinf(max_norm):
            return self
        vector = self.vector()
        # The root has no derivative at 0, where an attack may start.
        scale = (max_norm / vector.square().sum().clamp_min(1e-36).sqrt()).clamp(max=1.0)
        return self.with_vector(vector * scale)

    def as_gradient(self, before: NamedTensors, training: LocalTraining) -> "Update":
        """The gradient that a delta stands for, as far as it stands for one: see `Meaning`.

        `-delta / reach - weight_decay * before` for the `reach` of all steps. Where that is not known, nor is the
        length: the update is only turned round, and weight decay is left in it.
        """
        length = reach(training)
        if self.kind is UpdateKind.GRADIENT:
            return self
        if length is None:
            return Update({name: -value for name, value in self.tensors.items()}, UpdateKind.GRADIENT)
        decay = decay_beside(training)
        return Update(
            {name: -value / length - decay * before[name] for name, value in self.tensors.items()},
            UpdateKind.GRADIENT,
        )


# What an update is, by how a client trained.


class Meaning(StrEnum):
    """What `Update.as_gradient` gives: how much of a gradient is left in an update."""

    GRADIENT = "the mean gradient of one batch"
    """One step of SGD, whatever its momentum, which starts empty; exact to rounding."""
    DIRECTION = "the gradient of one step of unknown length"
    """Clipped to a norm, or of an unknown learning rate."""
    MEAN = "the mean over the gradients of several batches"
    """Those of several steps each at other weights, by learning rate and momentum, clipped each; accumulated ones at
    the same, and not that of all examples at once where batches differ in size or BatchNorm mixes each."""
    SIGNS = "the signs of gradients"
    """Adam divides each entry by its own size: what is left is the sign, and of several steps how steady it was."""


def meaning_of(training: LocalTraining) -> Meaning:
    """What an update is of who trains like that; an unknown number of steps counts as several."""
    if training.optimizer != "sgd":
        return Meaning.SIGNS
    if training.passes != 1:
        return Meaning.MEAN
    return Meaning.DIRECTION if training.gradient_clipping or training.learning_rate is None else Meaning.GRADIENT


def reach(training: LocalTraining) -> float | None:
    """How far a constant gradient of 1 (Adam: a constant sign) moves a weight in all steps; None where unknown."""
    steps = effective_steps(training)
    if training.learning_rate is None or not steps:  # a schedule may have a rate of zero
        return None
    return training.learning_rate * steps


@lru_cache(maxsize=256)
def effective_steps(training: LocalTraining) -> float | None:
    """`reach` in units of the learning rate: the number of steps, but for momentum and schedule; None where unknown.

    With momentum m it is `Σ_t (1 - mᵗ) / (1 - m)` over the steps t.
    """
    momentum = (training.momentum or 0.0) if training.optimizer == "sgd" else 0.0
    if training.steps is None:
        return None
    if not momentum and not training.schedule:
        return float(training.steps)
    base, total, velocity = 1.0 if training.learning_rate is None else training.learning_rate, 0.0, 0.0
    for step, rate in enumerate(rates(training, training.steps)):
        velocity = momentum * velocity + (1.0 - training.dampening if step and momentum else 1.0)
        total += rate / base * (1.0 + momentum * velocity if training.nesterov else velocity)
    return total


def decay_beside(training: LocalTraining) -> float:
    """The weight decay that stands beside the gradient in an update; Adam's goes into the signs."""
    return 0.0 if training.optimizer == "adam" else training.weight_decay or 0.0


def dense_bytes(tensors: NamedTensors) -> int:
    """Four bytes for each entry."""
    return 4 * sum(value.numel() for value in tensors.values())
