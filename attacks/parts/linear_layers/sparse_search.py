"""Sparse column search: null vectors of few rows, and descents from anywhere."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Generator, Tensor

Search = Callable[[Float[Tensor, "rows rank"], int, Generator], Float[Tensor, "candidates rank"]]
"""Directions (of length 1) that may be sparse columns, out of rows of length 1 in isotropic position."""


def null_vectors(rows: Float[Tensor, "rows rank"], count: int, rng: Generator) -> Float[Tensor, "candidates rank"]:
    """The direction at right angles to rank - 1 random rows, `count` times.

    Where one example leaves all of these neurons asleep, the direction is its column: in one of `2^(rank - 1)` draws
    where half of the neurons sleep. Source: https://arxiv.org/abs/2403.03945
    """
    rank = rows.shape[1]
    drawn = torch.randint(len(rows), (count, rank - 1), generator=rng)
    across = torch.randn(count, 1, rank, generator=rng, dtype=rows.dtype)  # makes the system square, and c unique
    system = torch.cat([rows[drawn], across], 1)
    wanted = torch.zeros(count, rank, 1, dtype=rows.dtype)
    wanted[:, -1] = 1.0
    directions, singular = torch.linalg.solve_ex(system, wanted)
    return _unit(directions[singular == 0, :, 0])


def descents(
    rows: Float[Tensor, "rows rank"], count: int, rng: Generator, steps: int = 75
) -> Float[Tensor, "candidates rank"]:
    """Where the sum of absolute values of `rows @ c` has a valley, downhill from `count` random directions.

    Each step is a reweighted least-squares one, `c ← (Σ rᵢ rᵢᵀ / √((rᵢ·c)² + ε²))⁻¹ c`, with ε falling. Its cost grows
    with the rank's square where that of sampling doubles with each example. Sources: sparsely used dictionaries,
    https://arxiv.org/abs/1206.5882; as an attack, https://arxiv.org/abs/2510.24200
    """
    rank = rows.shape[1]
    direction = _unit(torch.randn(count, rank, generator=rng, dtype=rows.dtype))
    ridge = 1e-13 * torch.eye(rank, dtype=rows.dtype)
    for step in range(steps):
        height = direction @ rows.T
        softness = 0.5 * 0.85**step * height.abs().mean(1, keepdim=True)
        weight = (height.square() + softness.square()).rsqrt()
        weight = weight / weight.mean(1, keepdim=True)
        scatter = (weight[:, :, None] * rows).transpose(1, 2) @ rows
        direction = _unit(torch.linalg.solve_ex(scatter + ridge, direction[:, :, None])[0][:, :, 0])
    return direction


def expected_samples(rank: int, asleep: float) -> float:
    """How many null vectors find the columns of all examples, where each leaves that share of the neurons asleep."""
    harmonic = sum(1 / number for number in range(1, rank + 1))
    return harmonic / asleep ** (rank - 1) if asleep > 0 else float("inf")


def _unit(directions: Float[Tensor, "candidates rank"]) -> Float[Tensor, "candidates rank"]:
    finite = torch.nan_to_num(directions, posinf=0.0, neginf=0.0)
    unit: Tensor = finite / finite.norm(dim=1, keepdim=True).clamp_min(1e-300)
    return unit
