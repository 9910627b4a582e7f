"""The input of a convolution out of what is known behind it: linear equations, and their least-squares solution."""

import math
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

RIDGE = 1e-13
"""Added to the normal equations, relative to their mean diagonal, so that they can be factored."""
GRADIENT_WEIGHT = 0.3
"""Of a gradient's equation beside a weight's, which has no rounding of its own: of 0.03, 0.3, 1, 3 and 30 the one whose
worst of three photos was best (15, 34, 18, 14 and 9 dB)."""
REFINEMENTS = 30
BLOCK = 256
"""Columns of the normal matrix that are computed at once."""


@dataclass(frozen=True)
class Solved:
    """The solution, and what says how far it can be trusted."""

    inputs: Float[Tensor, " unknowns"]
    unknowns: int
    equations: int
    """Independent ones: of all rows, a square of output channels follows from the others, as `W dL/dWᵀ = dL/dz zᵀ`."""
    residual: float
    """Of the scaled equations, relative to their right-hand side."""

    @property
    def deficit(self) -> int:
        """Unknowns that there are more than equations: the least that has to be made up."""
        return max(0, self.unknowns - self.equations)


def solve_convolution(
    layer: nn.Conv2d,
    weight: Float[Tensor, "outputs channels height width"],
    shape: tuple[int, ...],
    before_activation: Float[Tensor, "outputs rows columns"],
    output_gradient: Float[Tensor, "outputs rows columns"],
    weight_gradient: Float[Tensor, "outputs channels height width"],
) -> Solved:
    """The input x of a convolution, from `weight * x = z` and `dL/dW = dL/dz ⋆ x`, both linear in x.

    The equations are sparse; their normal matrix is factored once, and conjugate gradients with it as preconditioner
    take back what squaring the condition number cost. Source: https://arxiv.org/abs/2010.07733
    """
    places = _places(layer, shape)
    unknowns = math.prod(shape)
    known = (
        _scaled(_forward(weight, places, unknowns), before_activation, 1.0),
        _scaled(_correlated(output_gradient, places, unknowns), weight_gradient, GRADIENT_WEIGHT),
    )
    matrix = scipy.sparse.vstack([rows for rows, _ in known]).tocsr()
    wanted = np.concatenate([values for _, values in known])
    solution = _least_squares(matrix, wanted)
    rest = float(np.linalg.norm(matrix @ solution - wanted)) / max(float(np.linalg.norm(wanted)), 1e-300)
    return Solved(torch.from_numpy(solution), unknowns, matrix.shape[0] - len(weight) ** 2, rest)


def _places(layer: nn.Conv2d, shape: tuple[int, ...]) -> Int[Tensor, "taps positions"]:
    """Which unknown each tap of the kernel meets at each output position, from 1 on; 0 is padding."""
    numbers = torch.arange(1, math.prod(shape) + 1, dtype=torch.float64).reshape(1, *shape)
    assert not isinstance(layer.padding, str)
    kernel = (layer.kernel_size[0], layer.kernel_size[1])
    met = F.unfold(numbers, kernel, layer.dilation, layer.padding, layer.stride)[0]
    return met.round().long()


def _forward(weight: Tensor, places: Tensor, unknowns: int) -> scipy.sparse.csr_matrix:
    """Rows that give the outputs of the convolution: one for each channel and position."""
    outputs, positions = len(weight), places.shape[1]
    values = weight.reshape(outputs, -1, 1).expand(-1, -1, positions)
    rows = torch.arange(outputs * positions).reshape(outputs, 1, positions).expand_as(values)
    return _sparse(values, rows, places.expand_as(values), (outputs * positions, unknowns))


def _correlated(output_gradient: Tensor, places: Tensor, unknowns: int) -> scipy.sparse.csr_matrix:
    """Rows that give the weight gradient: one for each output channel and tap."""
    gradient = output_gradient.reshape(len(output_gradient), 1, -1)
    outputs, (taps, _) = len(gradient), places.shape
    values = gradient.expand(-1, taps, -1)
    rows = torch.arange(outputs * taps).reshape(outputs, taps, 1).expand_as(values)
    return _sparse(values, rows, places.expand_as(values), (outputs * taps, unknowns))


def _sparse(values: Tensor, rows: Tensor, places: Tensor, shape: tuple[int, int]) -> scipy.sparse.csr_matrix:
    met = places.reshape(-1) > 0
    entries = (values.reshape(-1)[met], rows.reshape(-1)[met], places.reshape(-1)[met] - 1)
    value, row, column = entries[0].numpy(), *(entry.int().numpy() for entry in entries[1:])
    return scipy.sparse.csr_matrix((value, (row, column)), shape=shape)


def _scaled(rows: scipy.sparse.csr_matrix, values: Tensor, weight: float) -> tuple[scipy.sparse.csr_matrix, np.ndarray]:
    """Equations in units in which a row's root mean square length is `weight`."""
    length = scipy.sparse.linalg.norm(rows) / math.sqrt(rows.shape[0])
    scale = weight / length if length > 0 else 0.0
    return rows * scale, values.reshape(-1).numpy() * scale


def _normal(matrix: scipy.sparse.csr_matrix) -> np.ndarray:
    """`matrixᵀ matrix`, which is dense; some columns at a time, so that its sparse form never lies beside it."""
    columns, transposed = matrix.tocsc(), matrix.T.tocsr()
    normal = np.empty((matrix.shape[1], matrix.shape[1]), order="F")
    for first in range(0, len(normal), BLOCK):
        part = slice(first, first + BLOCK)
        normal[:, part] = (transposed @ columns[:, part]).toarray()
    return normal


def _least_squares(matrix: scipy.sparse.csr_matrix, wanted: np.ndarray) -> np.ndarray:
    normal = _normal(matrix)
    normal[np.diag_indices_from(normal)] += RIDGE * normal.trace() / len(normal)
    factor = scipy.linalg.cho_factor(normal, overwrite_a=True, check_finite=False)
    solution = np.zeros(len(normal))
    rest = wanted.copy()
    downhill = direction = scipy.linalg.cho_solve(factor, matrix.T @ rest, check_finite=False)
    slope = float((matrix.T @ rest) @ downhill)
    for _ in range(REFINEMENTS):
        along = matrix @ direction
        if slope <= 0 or not np.isfinite(slope) or not along.any():
            break
        step = slope / float(along @ along)
        solution += step * direction
        rest -= step * along
        gradient = matrix.T @ rest
        downhill = scipy.linalg.cho_solve(factor, gradient, check_finite=False)
        steeper = float(gradient @ downhill)
        if steeper < 1e-30 * slope:
            break
        direction, slope = downhill + (steeper / slope) * direction, steeper
    return solution
