"""Abstract syntax of a policy rule; as a string each piece is written as it can be parsed again."""

import dataclasses
import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from fedleak.settings.base import Scalar

Operator = Literal["<", "<=", ">", ">=", "==", "!="]
Baseline = Literal["prior", "no-access", "class-mean", "epsilon.declared", "epsilon.accounted"]
AggregateName = Literal["mean", "median", "min", "max", "worst", "percentile", "share"]
OF_FEDERATIONS = ("accuracy", "loss", "epsilon", "epsilon.measured")
COUNTED = ("certified", "failed", *OF_FEDERATIONS)
"""Figures that are no metric's and have no aggregate."""
BASELINES: tuple[Baseline, ...] = ("prior", "no-access", "class-mean")
"""Blind guesses."""
MEASURED = "epsilon.measured"
OF_EPSILON: tuple[Baseline, ...] = ("epsilon.declared", "epsilon.accounted")
"""What a measured epsilon alone is compared with; other figures are with blind guesses."""
Fields = Mapping[str, tuple[Scalar, ...]]
"""What a group is: for each field the values it answers to, as an attack does to its label and to its name."""

KEEPS: dict[Operator, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
AMOUNTS: dict[Literal["+", "-", "*"], Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
}


@dataclass(frozen=True, kw_only=True)
class Aggregate:
    """How the samples of a group become one figure."""

    name: AggregateName = "mean"
    number: float | None = None
    """The percentile, or a threshold for the share in the place of the metric's own."""

    def __str__(self) -> str:
        if self.number is None:
            return self.name
        return f"p{number_text(self.number)}" if self.name == "percentile" else f"share({number_text(self.number)})"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """What is measured: an aggregate of a metric, or something a run counts by itself, which has none."""

    name: str
    aggregate: Aggregate | None
    column: int = dataclasses.field(default=1, compare=False)

    def __str__(self) -> str:
        return self.name if self.aggregate is None else f"{self.name}.{self.aggregate}"


@dataclass(frozen=True, kw_only=True)
class Bound:
    """What the figure is compared with: a number, or a baseline of the same messages with something done to it."""

    baseline: Baseline | None = None
    change: Literal["+", "-", "*"] | None = None
    number: float = 0.0
    column: int = dataclasses.field(default=1, compare=False)
    """Where the baseline stands in the rule."""

    def value(self, baselines: Mapping[Baseline, float]) -> float:
        """The number to compare with; NaN where these messages have no such baseline."""
        if self.baseline is None:
            return self.number
        base = baselines.get(self.baseline, math.nan)
        return base if self.change is None else AMOUNTS[self.change](base, self.number)

    def __str__(self) -> str:
        if self.baseline is None:
            return number_text(self.number)
        return self.baseline if self.change is None else f"{self.baseline} {self.change} {number_text(self.number)}"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Whether a field of a group is one of `values`, or stands in the relation to the only one."""

    field: str
    operator: Operator
    values: tuple[Scalar, ...]
    """Several only for equality, which any of them satisfies: written as `in [...]`."""
    column: int = dataclasses.field(default=1, compare=False)
    """Where the field stands in the rule."""

    def holds(self, fields: Fields) -> bool:
        """False where the group has no such field."""
        if self.field not in fields:
            return False
        answers = fields[self.field]
        if self.operator in ("==", "!="):
            named = any(_same(own, value) for own in answers for value in self.values)
            return named is not (self.operator == "!=")
        return KEEPS[self.operator](_number(answers[0]), _number(self.values[0]))

    def comparisons(self) -> Iterator["Comparison"]:
        """Itself."""
        yield self

    def __str__(self) -> str:
        values = ", ".join(value_text(value) for value in self.values)
        return f"{self.field} in [{values}]" if len(self.values) > 1 else f"{self.field} {self.operator} {values}"


@dataclass(frozen=True, kw_only=True)
class Joined:
    """Conditions of which all must hold, or any one."""

    word: Literal["and", "or"]
    parts: tuple["Condition", ...]

    def holds(self, fields: Fields) -> bool:
        """Whether they do."""
        verdicts = [part.holds(fields) for part in self.parts]
        return all(verdicts) if self.word == "and" else any(verdicts)

    def comparisons(self) -> Iterator[Comparison]:
        """Every comparison in it."""
        for part in self.parts:
            yield from part.comparisons()

    def __str__(self) -> str:
        return f" {self.word} ".join(f"({part})" if isinstance(part, Joined) else str(part) for part in self.parts)


Condition = Comparison | Joined


@dataclass(frozen=True, kw_only=True)
class Assertion:
    """A rule's text, parsed: FIGURE OPERATOR BOUND [where CONDITION] [unless CONDITION]."""

    figure: Figure
    operator: Operator
    bound: Bound
    where: Condition | None = None
    unless: Condition | None = None

    def selects(self, fields: Fields) -> bool:
        """Whether the rule is about this group."""
        wanted = self.where is None or self.where.holds(fields)
        return wanted and not (self.unless is not None and self.unless.holds(fields))

    def __str__(self) -> str:
        where = "" if self.where is None else f" where {self.where}"
        unless = "" if self.unless is None else f" unless {self.unless}"
        return f"{self.figure} {self.operator} {self.bound}{where}{unless}"


def number_text(number: float) -> str:
    """A number as people write it, exactly."""
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)


def value_text(value: Scalar) -> str:
    """A value as a rule has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"'{value}'" if '"' in value else f'"{value}"'
    return number_text(float(value))


def _same(own: Scalar, value: Scalar) -> bool:
    """Equal and of one kind: Python's True is equal to 1."""
    return isinstance(own, bool) == isinstance(value, bool) and own == value


def _number(value: Scalar) -> float:
    """NaN for what is no number: it compares as false."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else float("nan")
