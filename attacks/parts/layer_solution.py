"""A convolution's input by least squares, from its output as far as that is known."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn

from .activation_inverses import Turned
from .layer_chain import Shape
from .layer_equations import Equations, Factor, Vector, equations_of, least_squares


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A convolution, what went through it as far as that is known, and the likely relative error of its features."""

    module: nn.Conv2d
    shape: Shape
    weight: Float[Tensor, "filters channels height width"]
    bias: Float[Tensor, " filters"] | None
    gradient: Float[Tensor, "filters channels height width"]
    features: Float[Tensor, "filters rows columns"]
    """What the activation gave."""
    derivative: Float[Tensor, "filters rows columns"]
    """The loss's derivative by the features."""
    error: float


@dataclass(frozen=True, kw_only=True)
class Solved:
    """A layer's input by least squares."""

    inputs: Vector
    turned: Turned
    equations: Equations
    factor: Factor
    left: float
    """The squared residual of all equations."""

    @property
    def variance(self) -> float:
        """The squared residual per equation that is to spare."""
        equations = len(self.equations.outputs) + self.equations.gradient.size
        return float(self.left / max(equations - self.factor.rank, 1))


def solve(layer: Layer, turned: Turned) -> Solved:
    """The input for one way to turn the activation round."""
    bias = 0.0 if layer.bias is None else layer.bias[:, None, None]
    equations = equations_of(
        layer.module, layer.shape, layer.weight, layer.gradient,
        turned.before - bias, turned.known, layer.derivative * turned.slope,
    )  # fmt: skip
    factor = Factor(equations.normal())
    inputs = least_squares(equations, factor)
    left = sum(float(np.square(part).sum()) for part in equations.residuals(inputs))
    return Solved(inputs=inputs, turned=turned, equations=equations, factor=factor, left=left)
