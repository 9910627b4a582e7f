"""Shapley values: against the definition by orders, and the axioms that they alone have."""

from itertools import permutations

import pytest
import torch

from fedleak.learning.shapley import MOST_EXACT, coalitions, cost_of, explained
from fedleak.learning.table import Column, Table
from fedleak.randomness import generator

TABLE = Table(columns=(Column("a"), Column("b", values=("x", "y", "z")), Column("c"), Column("d", values=("u", "v"))))


def curved(inputs: torch.Tensor) -> torch.Tensor:
    """Two figures that are no sum of what each column does."""
    first = inputs[:, 0] * inputs[:, 1] + inputs[:, 4].sin() * inputs[:, 5] - inputs[:, 2] ** 2
    return torch.stack([first, -first.exp()], dim=1)


@pytest.fixture
def rows() -> torch.Tensor:
    return 2 * torch.rand(5, 7, generator=generator("rows")).double() - 1


BACKGROUND = torch.linspace(-0.5, 0.5, 7).double()


def by_orders(row: torch.Tensor) -> torch.Tensor:
    """The mean over all orders of what a column adds as it joins those before it."""
    total, orders = torch.zeros(4, 2).double(), list(permutations(range(4)))
    for order in orders:
        mixed = BACKGROUND.clone()
        for column in order:
            place = TABLE.places(TABLE.columns[column].name)
            before = curved(mixed[None])[0]
            mixed[place] = row[place]
            total[column] += curved(mixed[None])[0] - before
    return total / len(orders)


def test_they_are_what_the_definition_by_orders_gives(rows: torch.Tensor) -> None:
    expected = torch.stack([by_orders(row) for row in rows])
    assert torch.allclose(explained(curved, rows, BACKGROUND, TABLE), expected, atol=1e-12)


def test_efficiency_they_sum_to_the_difference_from_the_background(rows: torch.Tensor) -> None:
    whole = curved(rows) - curved(BACKGROUND[None])
    assert torch.allclose(explained(curved, rows, BACKGROUND, TABLE).sum(1), whole, atol=1e-12)


def test_a_dummy_that_is_not_looked_at_has_nothing_and_alike_columns_have_the_same(rows: torch.Tensor) -> None:
    def alike(inputs: torch.Tensor) -> torch.Tensor:
        return (inputs[:, :1] * inputs[:, 4:5]).exp()

    row, background = rows.clone(), torch.zeros(7).double()
    row[:, 4] = row[:, 0]
    found = explained(alike, row, background, TABLE)
    assert found[:, [1, 3]].abs().max() < 1e-12
    assert torch.allclose(found[:, 0], found[:, 2], atol=1e-12)


def test_of_too_many_columns_orders_are_drawn_and_still_sum_to_the_difference() -> None:
    count = MOST_EXACT + 1
    table = Table(columns=tuple(Column(str(place)) for place in range(count)))
    slopes = torch.arange(1.0, count + 1).double()

    def says(inputs: torch.Tensor) -> torch.Tensor:
        return torch.stack([inputs @ slopes, (inputs @ slopes).tanh()], dim=1)

    assert len(coalitions(count)[0]) < 2**count
    rows = torch.rand(3, count, generator=generator("many")).double()
    found = explained(says, rows, torch.zeros(count).double(), table)
    assert torch.allclose(found.sum(1), says(rows) - says(torch.zeros(1, count).double()), atol=1e-9)
    assert torch.allclose(found[:, :, 0], rows * slopes)  # of a sum every order says the same
    assert cost_of(table) == count + 1
