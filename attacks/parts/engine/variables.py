"""Optimization variables: tensors by name, seen by optimizers as one vector."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

import torch
from jaxtyping import Float
from torch import Tensor

Variables = dict[str, Tensor]
"""Floating-point tensors by name, such as "inputs" and "labels"."""


@dataclass(frozen=True)
class Layout:
    """How variables lie in a vector. A coordinate counts in its variable's unit: `value = unit * coordinate`."""

    shapes: Mapping[str, tuple[int, ...]]
    units: Mapping[str, float] = field(default_factory=dict)
    """1 where a variable has none. One rate then suits pixels and, say, an interpolation weight."""

    @classmethod
    def of(cls, variables: Variables, units: Mapping[str, float]) -> "Layout":
        """The layout of such variables."""
        return cls({name: tuple(value.shape) for name, value in variables.items()}, units)

    def vector(self, variables: Variables) -> Float[Tensor, " entries"]:
        """The variables' coordinates as a vector of its own."""
        pieces = [variables[name].detach().reshape(-1) / self.units.get(name, 1.0) for name in self.shapes]
        return torch.cat(pieces)

    def variables(self, vector: Float[Tensor, " entries"]) -> Variables:
        """The variables at a vector: views of it where their unit is 1."""
        pieces = torch.split(vector, [prod(shape) for shape in self.shapes.values()])
        return {
            name: self._value(name, piece).view(shape)
            for (name, shape), piece in zip(self.shapes.items(), pieces, strict=True)
        }

    def _value(self, name: str, piece: Tensor) -> Tensor:
        unit = self.units.get(name, 1.0)
        return piece if unit == 1.0 else unit * piece
