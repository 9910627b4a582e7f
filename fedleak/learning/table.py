"""Table as an input space: rows of numbers and categories, of which several values may be one column."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from math import floor, log10
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from fedleak.errors import ConfigError, did_you_mean
from fedleak.learning.input_space import InputSpace

GAUGE = 16
"""Pixels across the picture of a column."""
STRIPE = 3
"""Pixels that a column is high, the last of them black so that columns stay apart."""
SPREAD = 3.0
"""Standard deviations of public rows from a number's mean to the ends of its range; what is beyond is put there."""
MISSING = "?"
"""The category of those who do not say theirs."""


@dataclass(frozen=True)
class Column:
    """A number, from `low` to `high` in the table's units, or a category, one of `values`."""

    name: str
    values: tuple[str, ...] = ()
    """The categories; none: a number."""
    low: float = 0.0
    high: float = 1.0
    median: float = 0.5
    """What stands for a number that is missing."""

    @property
    def is_category(self) -> bool:
        """Whether it is one of a few values, and no number."""
        return bool(self.values)

    @property
    def width(self) -> int:
        """How many values of a row it takes: one for each category, or one."""
        return len(self.values) or 1

    @property
    def words(self) -> str:
        """Its name and what it may be."""
        if self.is_category:
            return f"{self.name}: {' | '.join(self.values)}"
        return f"{self.name}: {self.low:.4g} to {self.high:.4g}"

    def said(self, values: Float[Tensor, " width"]) -> str:
        """What a row says here, in the table's words and units: the likeliest category, or the number."""
        if self.is_category:
            return self.values[int(values.argmax())]
        reach = self.high - self.low
        number = self.low + reach * (float(values[0].clamp(-1, 1)) + 1) / 2
        return f"{round(number, max(0, 4 - floor(log10(reach)))) + 0.0:.10g}"  # what float32 tells apart; no "-0"


@dataclass(frozen=True)
class Table(InputSpace):
    """Rows of a table, each value in [-1, 1].

    A number is -1 at its column's `low`, 1 at its `high` and 0 half way, which is the mean of the public rows where
    `fedleak.tables` made the columns. A category is a value for each that there is: 1 for the row's own, -1 for others.
    """

    columns: tuple[Column, ...]
    label: str = "label"
    """The column that models predict; it is none of `columns`."""
    classes: tuple[str, ...] = ()
    """What the label says, by class index."""
    kind: ClassVar = "table"
    noun: ClassVar = "row"

    @property
    def shape(self) -> tuple[int]:
        return (sum(column.width for column in self.columns),)

    @property
    def bounds(self) -> tuple[float, float]:
        return -1.0, 1.0

    @property
    def words(self) -> str:
        return f"rows of {len(self.columns)} columns"

    def column(self, name: str) -> Column:
        """The column of a name; raises `ConfigError` where the table has none such, or it is the label."""
        for one in self.columns:
            if one.name == name:
                return one
        names = [one.name for one in self.columns]
        if name == self.label:
            raise ConfigError(f"'{name}' is the label, which models predict; name another of {', '.join(names)}")
        raise ConfigError(f"the table has no column '{name}'{did_you_mean(name, names)}")

    def places(self, name: str) -> slice:
        """Which values of a row a column is; raises `ConfigError` as `column` does."""
        place = self.columns.index(self.column(name))
        return self._slices()[place]

    def mask(self, names: Iterable[str]) -> Bool[Tensor, " values"]:
        """Where the values of columns are; raises `ConfigError` as `column` does."""
        marked = torch.zeros(self.shape, dtype=torch.bool)
        for name in names:
            marked[self.places(name)] = True
        return marked

    def within(self, names: Iterable[str]) -> list[tuple[Column, slice]]:
        """Columns in the order of the table, each with its place among the values of these alone; raises as `mask`."""
        wanted = {self.column(name).name for name in names}
        own = [one for one in self.columns if one.name in wanted]
        ends = accumulate(one.width for one in own)
        return [(one, slice(end - one.width, end)) for one, end in zip(own, ends, strict=True)]

    def row(self, name: str, value: str) -> Float[Tensor, " width"]:
        """The values of a column that is a category; raises `ConfigError` where it is a number or has none such."""
        column = self.column(name)
        if not column.is_category:
            raise ConfigError(f"column '{name}' is a number and has no categories, such as '{value}'; name another")
        if value not in column.values:
            raise ConfigError(f"column '{name}' has no category '{value}'{did_you_mean(value, column.values)}")
        return _one_hot(torch.tensor([column.values.index(value)]), column.width)[0]

    def settled(self, values: Float[Tensor, "*batch values"]) -> Float[Tensor, "*batch values"]:
        """The nearest rows that there can be: each category is one of its values, numbers are within their range."""
        parts = []
        for column, part in zip(self.columns, self._parts(self.clamped(values)), strict=True):
            parts.append(_one_hot(part.argmax(-1), column.width).to(part) if column.is_category else part)
        return torch.cat(parts, dim=-1)

    def said(self, example: Float[Tensor, " values"]) -> dict[str, str]:
        """A row in words: what it says in each column, in the table's units."""
        return {
            column.name: column.said(part)
            for column, part in zip(self.columns, self._parts(example.detach()), strict=True)
        }

    def picture(self, example: Float[Tensor, " values"]) -> Float[Tensor, "1 height width"]:
        """A stripe for each column, from the top: as far to the right as a number goes; a cell for each category."""
        shares = self.shares(example.detach().float().nan_to_num(self.middle))
        stripes = []
        for column, part in zip(self.columns, self._parts(shares), strict=True):
            if column.is_category:
                stripe = part[torch.arange(GAUGE) * column.width // GAUGE]
            else:
                stripe = (part * GAUGE - torch.arange(GAUGE)).clamp(0, 1)
            stripes.append(torch.stack([stripe] * (STRIPE - 1) + [torch.zeros(GAUGE)]))
        return torch.cat(stripes)[None]

    @classmethod
    def of_facts(cls, values: Mapping[str, Any]) -> "Table":
        columns = tuple(Column(**{**column, "values": tuple(column["values"])}) for column in values["columns"])
        return cls(columns=columns, label=values["label"], classes=tuple(values["classes"]))

    def _parts(self, values: Float[Tensor, "*batch values"]) -> tuple[Float[Tensor, "*batch width"], ...]:
        """The values of each column."""
        return tuple(torch.split(values, [column.width for column in self.columns], dim=-1))

    def _slices(self) -> list[slice]:
        ends = list(accumulate(column.width for column in self.columns))
        return [slice(end - column.width, end) for end, column in zip(ends, self.columns, strict=True)]


def _one_hot(chosen: Tensor, width: int) -> Float[Tensor, "*batch width"]:
    """Rows with 1 at what is chosen and -1 elsewhere."""
    return 2 * torch.nn.functional.one_hot(chosen, width).float() - 1
