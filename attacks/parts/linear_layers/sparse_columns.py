"""Sparse columns in the column space of a matrix: what a ReLU leaves of each example's derivatives.

The left factor L of a low-rank gradient hides the derivatives D = L C, and every column of D is zero where the example
leaves a neuron asleep. So the sought directions c are those with many exact zeros in `L c`.
"""

from dataclasses import dataclass
from math import sqrt

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

from .sparse_search import null_vectors

ZERO = 5.0
"""Standard deviations of noise below which a derivative counts as zero."""
CLEAR = 20.0
"""Standard deviations of noise above which it is surely none."""
NEAR = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 0.0, 0.0)
"""What counts as zero while a direction is refined, in units of its median derivative (never below noise)."""
PLANE = (0.3, 0.1, 1e-2, 1e-3, 1e-5, 0.0)
"""The same for a second direction along with it, in units of its largest derivative."""
TIGHT = 1e-4
"""The same in a first look: tight, for examples of one class nearly cancel where both are awake."""
FEWEST = 0.05
"""The share of zeros below which a direction is not looked at twice."""
FAINT = 1e-2
"""Share of a column's largest derivative below which one is faint."""
KEPT = 300
"""Columns that are kept, the sparsest."""
CHANCE = 0.05
"""Share of a mixture's zeros that may be there by chance."""
PARTS = 1000
"""Null vectors that are tried for the parts of a mixture."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The rows of a left factor, raw and in isotropic position."""

    raw: Float[Tensor, "rows rank"]
    noise: float
    """Standard deviation of the error of each raw entry."""
    even: Float[Tensor, "rows rank"]
    """`raw @ change` with rows of length 1 that point everywhere alike."""
    change: Float[Tensor, "rank rank"]

    @property
    def rank(self) -> int:
        return self.raw.shape[1]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A direction c of length 1, its derivatives `raw @ c`, and which of them are zero."""

    direction: Float[Tensor, " rank"]
    derivative: Float[Tensor, " rows"]
    zero: Bool[Tensor, " rows"]
    clear: Bool[Tensor, " rows"]
    """Where the derivative is zero or surely not: the rows that noise leaves no doubt about."""
    sparsity: int


def sparsity(size: Float[Tensor, "*columns rows"], noise: float) -> Int[Tensor, "*columns"]:
    """Zeros among absolute derivatives, less twice those that are faint and yet not zero.

    Of one example neurons are awake or asleep, and few derivatives are in between. Examples of one class that are alike
    have mixtures that cancel nearly everywhere, down to noise at more neurons than any one leaves asleep.
    """
    zero = size < ZERO * noise
    faint = ~zero & (size < FAINT * size.amax(-1, keepdim=True))
    counted: Tensor = zero.sum(-1) - 2 * faint.sum(-1)
    return counted


def evened(raw: Float[Tensor, "rows rank"], noise: float, turns: int = 10) -> Rows:
    """Rescales rows and axes in turn until no direction stands out: rows of neurons that matter little count as much.

    That is Tyler's estimator of scatter, https://doi.org/10.1214/aos/1176350263. In this position the sparse directions
    stand far apart, and a descent finds them several times as often.
    """
    even, change = raw, torch.eye(raw.shape[1], dtype=raw.dtype)
    for _ in range(turns):
        _, values, axes = torch.linalg.svd(_unit(even), full_matrices=False)
        turn = axes.T / values.clamp_min(1e-12 * values[0])
        even, change = even @ turn, change @ turn
    return Rows(raw=raw, noise=noise, even=_unit(even), change=change)


def column(rows: Rows, direction: Float[Tensor, " rank"]) -> Column:
    """The column along a direction."""
    derivative = rows.raw @ direction
    size = derivative.abs()
    zero = size < ZERO * rows.noise
    clear = zero | (size > CLEAR * rows.noise)
    sparse = int(sparsity(size, rows.noise))
    return Column(direction=direction, derivative=derivative, zero=zero, clear=clear, sparsity=sparse)


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A direction fitted to its zeros, and all directions that are zero there."""

    direction: Float[Tensor, " rank"]
    zero: Bool[Tensor, " rows"]
    null: Float[Tensor, "dimension rank"]
    """Orthonormal. More than one dimension: perhaps a mixture, whose parts lie in there."""


def fitted(rows: Rows, direction: Float[Tensor, " rank"]) -> Fit | None:
    """Fits a direction to all of its zeros, those of the fit and so on; None where they are few.

    The zeros of one example's column leave one direction free. Those of a mixture are where its parts are zero, which
    leaves as many as there are parts, but for a few rows where the mixture is zero by chance.
    """
    best = direction
    for near in NEAR:
        size = (rows.raw @ best).abs()
        zero = size < max(ZERO * rows.noise, near * float(size.median()))
        if zero.sum() <= max(rows.rank, FEWEST * len(zero)):
            return None
        axes = _axes(rows.raw[zero])
        best = axes[-1]
    null = _plane(rows, rows.raw[zero])
    return Fit(direction=best, zero=zero, null=best[None] if null is None else null)


def _plane(rows: Rows, zeros: Float[Tensor, "zeros rank"]) -> Float[Tensor, "dimension rank"] | None:
    """The directions that nearly all of these rows leave free, the freest first; None where that is one or less.

    A single row that is a zero by chance turns the second-freest direction away from all others, so the loudest rows
    are left out in turn.
    """
    kept = torch.ones(len(zeros), dtype=torch.bool)
    for near in PLANE if rows.rank > 1 else ():
        size = (zeros @ _axes(zeros[kept])[-2]).abs()
        kept = size < max(ZERO * rows.noise, near * float(size.max()))
        if kept.sum() < max(float(rows.rank), (1 - CHANCE) * len(zeros)):
            return None
    axes = _axes(zeros[kept])
    loud = ((zeros[kept] @ axes.T).abs() > ZERO * rows.noise).any(0)
    dimension = int(loud.flip(0).long().argmax())
    return axes[-dimension:].flip(0) if dimension > 1 else None


def _axes(some: Float[Tensor, "some rank"]) -> Float[Tensor, "axes rank"]:
    """The right singular vectors, the strongest first."""
    axes: Tensor = torch.linalg.svd(some, full_matrices=False)[2]
    return axes


def parts(rows: Rows, fit: Fit, rng: Generator) -> list[Float[Tensor, " rank"]]:
    """The sparsest directions among mixtures: null vectors once more, in few dimensions, where nearly all hit."""
    inside = rows.raw[~fit.zero] @ fit.null.T
    inside = _unit(inside[inside.norm(dim=1) > CLEAR * rows.noise])
    if len(inside) < len(fit.null):
        return []
    directions = _unit(null_vectors(inside, PARTS, rng) @ fit.null)
    size = (directions @ rows.raw.T).abs()
    order = sparsity(size, rows.noise).argsort(descending=True, stable=True)
    return list(directions[_unseen(size < ZERO * rows.noise, order, set(), 4 * len(fit.null))])


def _unseen(
    zero: Bool[Tensor, "directions rows"], order: Int[Tensor, " some"], seen: set[bytes], most: int
) -> list[int]:
    """The first places in an order whose pattern of zeros is not among those seen, which it is added to."""
    chosen: list[int] = []
    for place in order.tolist():
        pattern = zero[place].numpy().tobytes()
        if pattern not in seen:
            seen.add(pattern)
            chosen.append(place)
        if len(chosen) == most:
            break
    return chosen


def sparsest_basis(rows: Rows, columns: list[Column]) -> list[Column]:
    """Independent columns, the sparsest first; fewer than the rank where some are missing.

    A mixture is zero only where its parts are, so a part is always taken before it: greedy is right once every column
    is among the candidates. A column is independent where more of it than noise is outside the span of the others.
    """
    basis: list[Column] = []
    spanned = torch.zeros(len(rows.raw), 0, dtype=rows.raw.dtype)
    for candidate in sorted(columns, key=lambda candidate: -candidate.sparsity):
        rest = candidate.derivative
        for _ in range(2):  # twice is enough: the second pass takes off what rounding left
            rest = rest - spanned @ (spanned.T @ rest)
        if rest.norm() > CLEAR * rows.noise * sqrt(len(rest)):
            basis.append(candidate)
            spanned = torch.cat([spanned, (rest / rest.norm())[:, None]], 1)
        if len(basis) == rows.rank:
            break
    return basis


class Pool:
    """The columns found so far."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.columns: list[Column] = []
        self._patterns: set[bytes] = set()
        self._glimpses: set[bytes] = set()

    def add(self, candidates: Float[Tensor, "candidates rank"], rng: Generator, most: int = 64) -> None:
        """Takes in the columns near the sparsest of the candidates (directions of the even rows), and their parts."""
        for direction in self._promising(candidates, most):
            fit = self._new(direction)
            if fit is not None and len(fit.null) > 1:
                for part in parts(self.rows, fit, rng):
                    self._new(part)
        self.columns = sorted(self.columns, key=lambda known: -known.sparsity)[:KEPT]

    def _promising(self, candidates: Float[Tensor, "candidates rank"], most: int) -> list[Float[Tensor, " rank"]]:
        """The sparsest candidates, one for each pattern of zeros that was not seen before."""
        rows = self.rows
        directions = _unit(candidates @ rows.change.T)
        size = (directions @ rows.raw[:: max(1, len(rows.raw) // 256)].T).abs()
        zero = size < (TIGHT * size.mean(1, keepdim=True)).clamp_min(ZERO * rows.noise)
        zeros = zero.sum(1)
        order = zeros.argsort(descending=True, stable=True)
        order = order[zeros[order] > FEWEST * size.shape[1]]
        return list(directions[_unseen(zero, order, self._glimpses, most)])

    def _new(self, direction: Float[Tensor, " rank"]) -> Fit | None:
        """The fit to a direction, if it was not seen before; its column is taken in."""
        fit = fitted(self.rows, direction)
        pattern = b"" if fit is None else fit.zero.numpy().tobytes()
        if fit is None or pattern in self._patterns:
            return None
        self._patterns.add(pattern)
        self.columns.append(column(self.rows, fit.direction))
        return fit


def _unit(rows: Float[Tensor, "*rows rank"]) -> Float[Tensor, "*rows rank"]:
    unit: Tensor = rows / rows.norm(dim=-1, keepdim=True).clamp_min(1e-300)
    return unit
