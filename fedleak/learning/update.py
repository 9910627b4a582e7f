"""An update: the named tensors that a client sends, also as one vector, as a gradient or as a weight delta."""

import math
from dataclasses import dataclass
from enum import StrEnum

import torch
from jaxtyping import Float
from torch import Tensor

from fedleak.learning.training import LocalTraining
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
        """The gradient that a delta implies: `-delta / (learning_rate * effective steps) - weight_decay * before`.

        Exact for one step of SGD, the mean direction for several, where momentum makes a step count for more (see
        `LocalTraining.effective_steps`). Where the learning rate or the number of steps is unknown, so is the length:
        the update is only turned round, and weight decay is left in it.
        """
        if self.kind is UpdateKind.GRADIENT:
            return self
        if training.learning_rate is None or training.effective_steps is None:
            return Update({name: -value for name, value in self.tensors.items()}, UpdateKind.GRADIENT)
        scale = training.learning_rate * training.effective_steps
        decay = training.weight_decay or 0.0
        return Update(
            {name: -value / scale - decay * before[name] for name, value in self.tensors.items()},
            UpdateKind.GRADIENT,
        )


def dense_bytes(tensors: NamedTensors) -> int:
    """Four bytes for each entry."""
    return 4 * sum(value.numel() for value in tensors.values())
