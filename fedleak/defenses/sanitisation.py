"""Sanitization of tables: columns suppressed, made coarser, or such that few rows stand out (k-anonymity)."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.contracts.defense import Defense, defenses
from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch
from fedleak.learning.space import require_table
from fedleak.learning.table import MISSING, Column, Table
from fedleak.learning.task import Task
from fedleak.settings.base import Count

Values = Float[Tensor, "rows width"]


@defenses.register("sanitisation")
@dataclass(frozen=True, kw_only=True)
class Sanitisation(Defense):
    """Trains on rows that say less: once for each client's share, before any training, in this order.

    `suppress` takes what a row says in a column away: a number is then the public median, a category `?` where the
    column has that, and else none of its values. `coarse` puts each number to the middle of one of `bins` equal parts
    of its range; `merge` puts categories of a column together. `k` then suppresses the columns `among` in all rows
    whose values there fewer than k rows of the client's share have: each combination that is left has k rows or more.

    Nothing is proved. k-anonymity is a property of a table and no differential privacy: k rows with the same values
    may have the same secret, other columns tell rows apart, and a model of such a table is none of it.
    """

    paper: ClassVar = "https://doi.org/10.1142/S0218488502001648"
    cites: ClassVar = "sweeney2002kanonymity"
    suppress: tuple[str, ...] = ()
    """Columns of which nothing is left."""
    coarse: tuple[str, ...] = ()
    """Numbers that are rounded."""
    bins: Count = 4
    """Parts of a number's range."""
    merge: tuple[str, ...] = ()
    """Categories, as "COLUMN=CATEGORY": all of a column are said to be the first of them."""
    among: tuple[str, ...] = ()
    """Columns that somebody may know a person by."""
    k: Count = 1
    """Rows that have the same values in these, at least; 1 asks for nothing."""

    def __post_init__(self) -> None:
        if (self.k > 1) is not bool(self.among):
            raise ConfigError(
                "k goes with the columns among which rows must not stand out; give k = 2 or more and both"
            )

    @property
    def caveat(self) -> str:
        return "it proves nothing: other columns, the label and the model may tell what was taken away"

    @property
    def mixes_share(self) -> bool:
        return self.k > 1

    def require(self, task: Task) -> None:
        if not (self.suppress or self.coarse or self.merge or self.among):
            raise ConfigError(
                f"'{self.name}' takes nothing away; name columns to suppress, coarse, merge, or among with k"
            )
        table = require_table(task.space, f"'{self.name}'", ConfigError)
        table.mask((*self.suppress, *self.among))
        for name in self.coarse:
            if table.column(name).is_category:
                raise ConfigError(f"'{self.name}' rounds numbers, and column '{name}' is a category; merge some of it")
        for one in self.merge:
            _category(table, one)

    def require_examples(self, held: int) -> None:
        if held < self.k:
            raise ConfigError(
                f"'{self.name}' wants k = {self.k} rows of each kind at each client, and one has {held} in all; lower "
                "k, or take fewer clients"
            )

    def prepare(self, task: Task, share: Batch, rng: Generator) -> Batch:
        table = require_table(task.space, f"'{self.name}'", ConfigError)
        inputs = share.inputs.clone()
        _suppress(table, self.suppress, inputs)
        for name in self.coarse:
            parts = ((inputs[:, table.places(name)] + 1) / 2 * self.bins).floor().clamp(0, self.bins - 1)
            inputs[:, table.places(name)] = 2 * (parts + 0.5) / self.bins - 1
        first: dict[str, str] = {}
        for one in self.merge:
            name, value = _category(table, one)
            own, instead = table.row(name, value), table.row(name, first.setdefault(name, value))
            values = inputs[:, table.places(name)]
            inputs[:, table.places(name)] = torch.where((values == own).all(1, keepdim=True), instead, values)
        return replace(share, inputs=self._anonymous(table, inputs))

    def _anonymous(self, table: Table, inputs: Float[Tensor, "rows values"]) -> Float[Tensor, "rows values"]:
        """Suppresses the rarest combinations until none is rarer than k; those without values are one of them."""
        while self.k > 1:
            known = [tuple(row.tolist()) for row in inputs[:, table.mask(self.among)]]
            counts = Counter(known)
            nothing = tuple(torch.cat([_nothing(column) for column, _ in table.within(self.among)]).tolist())
            rare = {row for row, count in counts.items() if count < self.k and row != nothing}
            others = sorted(counts.keys() - {nothing}, key=lambda row: (counts[row], row))
            if not rare and 0 < counts[nothing] < self.k:  # too few without values: the next rarest join them
                rare = set(others[:1])
            if not rare:
                break
            chosen = torch.tensor([row in rare for row in known])
            inputs[chosen] = _suppress(table, self.among, inputs[chosen])
        return inputs


def _suppress(
    table: Table, names: tuple[str, ...], inputs: Float[Tensor, "rows values"]
) -> Float[Tensor, "rows values"]:
    """The same rows, changed in place."""
    for name in names:
        inputs[:, table.places(name)] = _nothing(table.column(name)).to(inputs)
    return inputs


def _nothing(column: Column) -> Float[Tensor, " width"]:
    """What stands in a column that says nothing."""
    if not column.is_category:
        return torch.tensor([2 * (column.median - column.low) / (column.high - column.low) - 1]).clamp(-1, 1)
    return 2 * torch.tensor([float(value == MISSING) for value in column.values]) - 1


def _category(table: Table, named: str) -> tuple[str, str]:
    """Column and category; raises `ConfigError` where the table has none such."""
    name, equals, value = named.partition("=")
    if not (name and equals and value):
        raise ConfigError(f'merge: expected a category such as "sex=Female", got {named!r}')
    table.row(name, value)
    return name, value
