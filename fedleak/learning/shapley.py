"""Shapley values: how much each column of a row moves what a model says, from a background to the row.

Lundberg and Lee 2017, "A Unified Approach to Interpreting Model Predictions", https://arxiv.org/abs/1705.07874; the
values are Shapley's (1953) of the game in which a coalition of columns has the row's values and all others those of the
background.
"""

from collections.abc import Callable
from functools import lru_cache
from math import factorial

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from fedleak.learning.table import Table
from fedleak.randomness import generator

MOST_EXACT = 12
"""Columns up to which all coalitions are tried; of more, those of permutations are."""
PERMUTATIONS = 64
"""Orders of the columns that are drawn, each taken backwards as well."""

Says = Callable[[Tensor], Tensor]
"""A model: inputs to a row of figures each."""


@lru_cache(maxsize=8)
def coalitions(columns: int) -> tuple[Bool[Tensor, "tried columns"], Float64[Tensor, "tried columns"]]:
    """Which columns are in each coalition, and how much what is said of it counts for each column's value.

    All of them up to `MOST_EXACT` columns, and so exact. Beyond, the mean over permutations that are the same for
    everybody: unbiased over their draw, and whatever they are, a row's values sum to the whole difference.
    """
    if columns > MOST_EXACT:
        return _of_permutations(columns)
    within = (torch.arange(2**columns)[:, None] >> torch.arange(columns)) % 2 == 1
    sizes = within.sum(1).tolist()
    joining = [factorial(s - 1) * factorial(columns - s) / factorial(columns) if s else 0.0 for s in sizes]
    lacking = [factorial(s) * factorial(columns - s - 1) / factorial(columns) if s < columns else 0.0 for s in sizes]
    gains, losses = (torch.tensor(one, dtype=torch.float64)[:, None] for one in (joining, lacking))
    return within, torch.where(within, gains, -losses)


def _of_permutations(columns: int) -> tuple[Bool[Tensor, "tried columns"], Float64[Tensor, "tried columns"]]:
    rng = generator("shapley", columns)
    drawn = [torch.randperm(columns, generator=rng) for _ in range(PERMUTATIONS)]
    orders = [*drawn, *(order.flip(0) for order in drawn)]
    within = torch.zeros(len(orders), columns + 1, columns, dtype=torch.bool)
    weights = torch.zeros(len(orders), columns + 1, columns, dtype=torch.float64)
    for place, order in enumerate(orders):
        for step, column in enumerate(order.tolist()):
            within[place, step + 1 :, column] = True
            weights[place, step + 1, column] += 1 / len(orders)
            weights[place, step, column] -= 1 / len(orders)
    return within.flatten(0, 1), weights.flatten(0, 1)


def explained(
    says: Says, rows: Float[Tensor, "rows values"], background: Float[Tensor, " values"], table: Table
) -> Float64[Tensor, "rows columns figures"]:
    """The value of each column for each figure that a model says of a row; categories count as the one column they are.

    A row is evaluated with its own coalitions alone, so that its values do not depend on which other rows there are.
    """
    within, weights = coalitions(len(table.columns))
    widths = torch.tensor([column.width for column in table.columns])
    chosen = within.repeat_interleave(widths, dim=1)
    said = [says(torch.where(chosen, row, background)).double() for row in rows]
    return torch.stack([weights.T @ one for one in said]) if said else torch.zeros(0, len(widths), 0).double()


def cost_of(table: Table) -> int:
    """Questions that an explanation counts as: one for what is said of the row, and one for each column's value."""
    return 1 + len(table.columns)
