"""Linear equations of a convolution: what its output and its gradient say of its input, as sparse matrices.

For one example with input x, output z and derivative d = dL/dz, the weights W give `W * x = z`, and the gradient gives
`Σ_p d[o, p] x[c, p + tap] = dL/dW[o, c, tap]` for each filter o, channel c and tap. The second kind is the same matrix
for every channel. Source: https://arxiv.org/abs/2010.07733
"""

from dataclasses import dataclass
from math import prod

import numpy as np
import scipy.linalg
import scipy.sparse
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from .linear_chain import Shape, Turned

Vector = NDArray[np.float64]


DEFICIENT = 1e-12
"""Share of the largest pivot of the normal equations below which one is zero: singular values of 1e-6."""


def taps(module: nn.Conv2d, shape: Shape) -> Int[Tensor, "channel_taps places"]:
    """Which input entry each tap of the kernel reads for each output place; -1 in the padding."""
    numbers = torch.arange(1, prod(shape) + 1, dtype=torch.float64).reshape(1, *shape)
    kernel, dilation, padding, stride = (
        module.kernel_size, module.dilation, module.padding, module.stride,
    )  # fmt: skip
    read: Tensor = F.unfold(numbers, kernel, dilation=dilation, padding=padding, stride=stride)[0].long() - 1  # type: ignore[arg-type]
    return read


def weight_matrix(module: nn.Conv2d, weight: Tensor, shape: Shape) -> scipy.sparse.csr_array:
    """The convolution as a matrix (filters x places, inputs)."""
    read = taps(module, shape).numpy()
    return _scattered(weight.detach().flatten(1).numpy(), read, rows_are_taps=False, columns=prod(shape))


def derivative_matrix(module: nn.Conv2d, derivative: Tensor, shape: Shape) -> scipy.sparse.csr_array:
    """What one channel of the input has to fulfil: (filters x taps of one channel, pixels)."""
    read = taps(module, (1, *shape[1:])).numpy()
    return _scattered(derivative.flatten(1).numpy(), read, rows_are_taps=True, columns=prod(shape[1:]))


def _scattered(values: Vector, read: NDArray[np.int64], *, rows_are_taps: bool, columns: int) -> scipy.sparse.csr_array:
    """For each filter its values along one side of the taps-by-places table, a row for each entry of the other side."""
    tap, place = np.nonzero(read >= 0)
    row, value = (tap, place) if rows_are_taps else (place, tap)
    height = read.shape[0] if rows_are_taps else read.shape[1]
    filters = np.arange(len(values))[:, None]
    rows = (filters * height + row).ravel()
    where = np.broadcast_to(read[tap, place], (len(values), len(tap))).ravel()
    return scipy.sparse.csr_array((values[:, value].ravel(), (rows, where)), shape=(len(values) * height, columns))


@dataclass(frozen=True, kw_only=True)
class Equations:
    """Both kinds, each divided by the root mean square of its right side so that they weigh alike."""

    weights: scipy.sparse.csr_array
    outputs: Vector
    derivatives: scipy.sparse.csr_array
    gradient: Vector
    """(filters x taps, channels)"""

    def residuals(self, inputs: Vector) -> tuple[Vector, Vector]:
        """What the inputs leave of both right sides."""
        channels = inputs.reshape(self.gradient.shape[1], -1)
        return self.outputs - self.weights @ inputs, self.gradient - self.derivatives @ channels.T

    def back(self, outputs: Vector, gradient: Vector) -> Vector:
        """The transposed matrices applied to residuals."""
        moved: Vector = self.weights.T @ outputs + (self.derivatives.T @ gradient).T.reshape(-1)
        return moved

    def normal(self) -> Vector:
        """The normal equations' matrix; dense, the size of the input squared."""
        matrix: Vector = (self.weights.T @ self.weights).toarray(order="F")
        block = (self.derivatives.T @ self.derivatives).toarray()
        for start in range(0, len(matrix), len(block)):
            matrix[start : start + len(block), start : start + len(block)] += block
        return matrix


class Factor:
    """The pivoted Cholesky factor of normal equations: their rank, and their solution."""

    def __init__(self, matrix: Vector) -> None:
        largest = float(matrix.diagonal().max(initial=0.0))
        self.size = len(matrix)
        self._lower, pivots, self.rank, _ = scipy.linalg.lapack.dpstrf(
            matrix, tol=DEFICIENT * max(largest, 1e-300), lower=1, overwrite_a=1
        )
        self._order = pivots[: self.rank] - 1

    def solve(self, right: Vector) -> Vector:
        """A solution; zero in the directions that the equations leave free."""
        solution = np.zeros_like(right)
        lower = self._lower[: self.rank, : self.rank]
        half = scipy.linalg.solve_triangular(lower, right[self._order], lower=True, check_finite=False)
        solution[self._order] = scipy.linalg.solve_triangular(lower, half, lower=True, trans="T", check_finite=False)
        return solution


def least_squares(equations: Equations, factor: Factor, turns: int = 3) -> Vector:
    """The input that fits both kinds best; refined, for normal equations square what rounding does."""
    inputs = np.zeros(factor.size)
    for _ in range(turns):
        inputs = inputs + factor.solve(equations.back(*equations.residuals(inputs)))
    return inputs


def equations_of(
    module: nn.Conv2d,
    shape: Shape,
    weight: Float[Tensor, "filters channels height width"],
    gradient: Float[Tensor, "filters channels height width"],
    outputs: Float[Tensor, "filters rows columns"],
    known: Bool[Tensor, "filters rows columns"],
    derivative: Float[Tensor, "filters rows columns"],
) -> Equations:
    """The equations for the input, from the outputs that are known and the derivative by all of them."""
    seen = known.flatten().numpy()
    right = outputs.flatten().numpy()[seen]
    observed = gradient.flatten(2).transpose(1, 2).flatten(0, 1).numpy()
    output_size, gradient_size = _size(right), _size(observed)
    return Equations(
        weights=weight_matrix(module, weight, shape)[seen] / output_size,
        outputs=right / output_size,
        derivatives=derivative_matrix(module, derivative, shape) / gradient_size,
        gradient=observed / gradient_size,
    )


def _size(values: Vector) -> float:
    return max(float(np.sqrt(np.square(values).mean())), 1e-300) if values.size else 1.0


# Least-squares input of a convolution.


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
