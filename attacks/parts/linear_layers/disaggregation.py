"""Gradient disaggregation: the search for the columns of all examples, within a budget of samples and descents."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.errors import NotApplicable
from fedleak.progress import report

from .inputs import Layer, agreement, inputs_of
from .sparse_columns import Column, Pool, Rows, column, evened, sparsest_basis
from .sparse_search import Search, descents, expected_samples, null_vectors

MATCHED = 0.99
"""Share of neurons that each image has to wake as its column says for the search to end."""
ENTRIES = 4_000_000
"""Numbers that a portion of the search may take at once."""


@dataclass(frozen=True, kw_only=True)
class Match:
    """The inputs that go with a complete set of columns, and the share of neurons at which each agrees with its own."""

    inputs: Float[Tensor, "rank features"]
    agreement: Float[Tensor, " rank"]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How many directions are tried at most."""

    samples: int
    descents: int


def disaggregate(layer: Layer, budget: Budget, rng: Generator) -> Match:
    """The first complete set of columns that agrees, else the best within the budget."""
    rows = evened(layer.factors.left, layer.factors.noise * max(1.0, layer.factors.tail))
    if rows.rank == 1:
        return _match(layer, [column(rows, torch.ones(1, dtype=torch.float64))])
    pool, best = Pool(rows), None
    basis: list[Column] = []
    for search, count in _portions(rows, budget):
        pool.add(search(rows.even, count, rng), rng)
        basis = sparsest_basis(rows, pool.columns)
        if len(basis) == rows.rank:
            match = _match(layer, basis)
            best = match if best is None or match.agreement.sum() > best.agreement.sum() else best
            if float(match.agreement.min()) >= MATCHED:
                break
    if best is None:
        raise NotApplicable(_too_few(rows, basis, budget))
    return best


def _match(layer: Layer, columns: list[Column]) -> Match:
    inputs = inputs_of(layer, columns)
    return Match(inputs=inputs, agreement=agreement(layer, columns, inputs))


def _portions(rows: Rows, budget: Budget) -> Iterator[tuple[Search, int]]:
    """Null vectors, then descents, some megabytes at a time.

    No null vectors are drawn where even with half of the neurons asleep they would not do.
    """
    samples = budget.samples if expected_samples(rows.rank, 0.5) <= budget.samples else 0
    sampling = _split(samples, min(20_000, ENTRIES // rows.rank**2))
    descending = _split(budget.descents, min(100, ENTRIES // rows.even.numel()))
    for done, count in enumerate(sampling):
        report(done, len(sampling) + len(descending))
        yield null_vectors, count
    for done, count in enumerate(descending, start=len(sampling)):
        report(done, len(sampling) + len(descending))
        yield descents, count


def _split(count: int, most: int) -> list[int]:
    size = max(1, most)
    return [min(size, count - start) for start in range(0, count, size)]


def _too_few(rows: Rows, basis: list[Column], budget: Budget) -> str:
    asleep = sum(float(sparse.zero.double().mean()) for sparse in basis) / len(basis) if basis else 0.5
    needed = expected_samples(rows.rank, asleep)
    cause = (
        f"noise of {rows.noise:.0e} an entry is above the others here, or there is no ReLU behind the layer"
        if needed < budget.samples
        else f"sampling alone takes about {needed:.0e}: raise samples or descents"
    )
    return (
        f"found {len(basis)} of {rows.rank} sparse columns by {budget.samples} samples and {budget.descents} descents; "
        f"where examples leave {asleep:.0%} of the neurons asleep, {cause}"
    )
