"""Change of weights and buffers as one vector: what goes into a sum, and the mean that comes out of it."""

from dataclasses import dataclass
from math import prod

import torch
from jaxtyping import Float64
from numpy import ndarray

from fedleak.learning.weights import NamedTensors, Weights

Vector = Float64[ndarray, " entries"]


@dataclass(frozen=True)
class MeanChange:
    """The mean of what the clients of a sum changed."""

    changes: Vector
    """The mean change of all parameters and buffers, weighted by examples."""
    examples: int
    cut: int = 0
    """How many values were beyond the greatest that was declared, in all vectors together."""

    def by_name(self, before: Weights) -> NamedTensors:
        """The mean change of each parameter and buffer, in float64."""
        return shaped(before, self.changes)

    def state(self, before: Weights) -> NamedTensors:
        """The mean of the survivors' weights and buffers. Counters become float64, as in Flower's own average."""
        return {
            name: (before.state_dict()[name].double() + change).to(_averaged(before.state_dict()[name].dtype))
            for name, change in self.by_name(before).items()
        }


def changes(before: Weights, after: Weights) -> Vector:
    """A client's change of every parameter and buffer, as one vector."""
    new = after.state_dict()
    own = [(new[name].double() - value.double()).reshape(-1) for name, value in before.state_dict().items()]
    return torch.cat(own).numpy()


def shaped(before: Weights, values: Vector) -> NamedTensors:
    """A vector as tensors of the names and shapes of the weights; more than they need is left out."""
    state = before.state_dict()
    sizes = [prod(value.shape) for value in state.values()]
    pieces = torch.split(torch.tensor(values[: sum(sizes)]), sizes)
    return {name: piece.reshape(value.shape) for (name, value), piece in zip(state.items(), pieces, strict=True)}


def _averaged(dtype: torch.dtype) -> torch.dtype:
    return dtype if dtype.is_floating_point else torch.float64
