"""Singular value spectrum of the Jacobian: how strongly each direction of the images moves the gradient."""

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Generator, Tensor

DENSE = 320
"""Up to so many pixels the Jacobian is written out."""
ROUNDING = 100.0
"""Times the machine's precision: a singular value below that share of the largest is indistinguishable from zero."""


@runtime_checkable
class LinearMap(Protocol):
    """A matrix that is known by its products, such as a `Jacobian`."""

    @property
    def entries(self) -> int:
        """Rows."""

    @property
    def directions(self) -> int:
        """Columns."""

    @property
    def dtype(self) -> torch.dtype:
        """The precision of the products."""

    def times(self, direction: Float[Tensor, " directions"]) -> Float[Tensor, " entries"]:
        """The product with a vector."""

    def transposed_times(self, weighting: Float[Tensor, " entries"]) -> Float[Tensor, " directions"]:
        """The product of the transpose with a vector."""


class Count(NamedTuple):
    """How many directions; `low` and `high` are what they lie between."""

    low: int
    about: int
    high: int


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """Singular values in descending order, each standing for a share of the directions.

    "dense": all of them. "exhausted": Lanczos met every value there is, and the shares are those of a random start.
    "quadrature": Lanczos was broken off; the values are right at the ends of the spectrum and a summary between them.
    """

    values: tuple[float, ...]
    shares: tuple[float, ...]
    """Of the directions; what is missing to 1 moves nothing."""
    directions: int
    """Of the images: pixels of the batch."""
    entries: int
    """Of the gradient."""
    method: Literal["dense", "exhausted", "quadrature"]
    resolution: float
    """Below it a value cannot be told from zero in the precision that was computed in."""

    @property
    def largest(self) -> float:
        """The greatest singular value; by Lanczos a lower bound that is close after a few steps."""
        return self.values[0]

    @property
    def smallest(self) -> float:
        """The least there is, 0 where directions are lost; by "quadrature" an upper bound of it."""
        lost = self.entries < self.directions or sum(self.shares) < 1.0 - 1e-9
        return 0.0 if lost or self.values[-1] <= self.resolution else self.values[-1]

    @property
    def condition(self) -> float:
        """Largest over smallest; by "quadrature" at least so much."""
        return self.largest / self.smallest if self.smallest else float("inf")

    @property
    def median(self) -> float:
        """Half of the directions have at least this singular value."""
        held = 0.0
        for value, share in zip(self.values, self.shares, strict=True):
            held += share
            if held >= 0.5:
                return value
        return 0.0

    @property
    def participation(self) -> float:
        """`(Σ s²)² / (n Σ s⁴)` over n directions: 1 where all move the gradient alike, small where a few dominate."""
        second = sum(share * value**2 for value, share in zip(self.values, self.shares, strict=True))
        fourth = sum(share * value**4 for value, share in zip(self.values, self.shares, strict=True))
        return second**2 / fourth if fourth > 0 else 0.0

    def above(self, level: float) -> Count:
        """How many directions have a singular value above `level`, which is never taken below the resolution.

        Quadrature has bounds: the Chebyshev-Markov-Stieltjes inequalities hold the share of the random start to one
        node on either side, and by interlacing there are at least as many values above as nodes. Source: Golub and
        Meurant, https://doi.org/10.1515/9781400833887.
        """
        level = max(level, self.resolution)
        nodes = sum(value > level for value in self.values)
        if self.method == "dense":
            return Count(nodes, nodes, nodes)
        most = min(self.directions, self.entries)
        about = min(max(round(sum(self.shares[:nodes]) * self.directions), nodes), most)
        if self.method == "exhausted":
            return Count(about, about, about)
        low = int(sum(self.shares[: max(nodes - 1, 0)]) * self.directions)
        high = most if nodes == len(self.values) else round(sum(self.shares[: nodes + 1]) * self.directions)
        return Count(max(low, nodes), about, min(max(high, about), most))


def steps_needed(directions: int, steps: int) -> int:
    """Products with the Jacobian that `spectrum_of` asks for, at most."""
    return directions if directions <= DENSE else 2 * steps - 1


def spectrum_of(jacobian: LinearMap, steps: int, rng: Generator) -> Spectrum:
    """All singular values where there are few pixels, else what `steps` steps of Lanczos tell of them."""
    if jacobian.directions <= DENSE:
        return _dense(jacobian)
    return lanczos(jacobian, steps, rng)


def lanczos(jacobian: LinearMap, steps: int, rng: Generator) -> Spectrum:
    """Golub-Kahan-Lanczos bidiagonalisation from a random start: `J V = U B` with B upper bidiagonal.

    The squared first components of B's right singular vectors are the shares of the start in each value, so that of
    the directions too (stochastic Lanczos quadrature). Only V is kept orthogonal, which is enough. Source: Golub and
    Kahan 1965, https://doi.org/10.1137/0702016; Ubaru, Chen and Saad 2017, https://doi.org/10.1137/16M1104974.
    """
    size, tiny = jacobian.directions, ROUNDING * torch.finfo(jacobian.dtype).eps
    start = torch.randn(size, generator=rng, dtype=torch.float64)
    basis = [start / start.norm()]
    left = jacobian.times(basis[0]).double()
    diagonal, beside = [float(left.norm())], list[float]()
    while diagonal[-1] > tiny * max(diagonal) and len(diagonal) < min(steps, size):
        left = left / diagonal[-1]
        right = _orthogonal(jacobian.transposed_times(left).double() - diagonal[-1] * basis[-1], basis)
        beside.append(float(right.norm()))
        if beside[-1] <= tiny * max(diagonal):
            break
        basis.append(right / beside[-1])
        left = jacobian.times(basis[-1]).double() - beside[-1] * left
        diagonal.append(float(left.norm()))
    exhausted = len(beside) == len(diagonal) or diagonal[-1] <= tiny * max(diagonal) or len(diagonal) == size
    bidiagonal = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
    if len(diagonal) > 1:
        bidiagonal += torch.diag(torch.tensor(beside[: len(diagonal) - 1], dtype=torch.float64), 1)
    _, values, right = torch.linalg.svd(bidiagonal)
    return _spectrum(jacobian, values, right[:, 0].square(), "exhausted" if exhausted else "quadrature")


def _dense(jacobian: LinearMap) -> Spectrum:
    pixels = torch.eye(jacobian.directions, dtype=jacobian.dtype)
    values = torch.linalg.svdvals(torch.stack([jacobian.times(pixel) for pixel in pixels], dim=1).double())
    return _spectrum(jacobian, values, torch.full_like(values, 1 / jacobian.directions), "dense")


def _spectrum(
    jacobian: LinearMap,
    values: Float[Tensor, " values"],
    shares: Float[Tensor, " values"],
    method: Literal["dense", "exhausted", "quadrature"],
) -> Spectrum:
    resolution = ROUNDING * torch.finfo(jacobian.dtype).eps * float(values[0])
    kept = values > resolution if method != "quadrature" else values >= 0
    return Spectrum(
        values=tuple(values[kept].tolist()) or (0.0,),
        shares=tuple(shares[kept].tolist()) or (0.0,),
        directions=jacobian.directions,
        entries=jacobian.entries,
        method=method,
        resolution=resolution,
    )


def _orthogonal(vector: Float[Tensor, " size"], basis: list[Tensor]) -> Float[Tensor, " size"]:
    """The part of a vector outside a basis; twice, since once leaves rounding behind."""
    matrix = torch.stack(basis)
    for _ in range(2):
        vector = vector - matrix.T @ (matrix @ vector)
    return vector
