"""Completions: rows with each value that their hidden columns may have, and what a service says of them."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from fedleak.contracts.served import Served
from fedleak.contracts.view import View
from fedleak.errors import NotApplicable
from fedleak.goals.goal import public_in
from fedleak.goals.imputer import frequencies, imputed
from fedleak.learning.batch import Batch
from fedleak.learning.space import require_table
from fedleak.learning.table import Column
from fedleak.learning.weights import Weights

from .answers import TINY, confidence

MOST = 64
"""Combinations of hidden values that are tried, at most."""


def rows_of(view: View) -> Batch:
    """The rows that the adversary is asked about; raises `NotApplicable` where there are none."""
    if view.rows is None or not len(view.rows):
        raise NotApplicable(
            "no column was hidden: say by adversary.hidden which, of a task on a table whose truth is known"
        )
    return view.rows


def answers_of(view: Served) -> tuple[Float[Tensor, "rows classes"], Weights]:
    """What was answered about these rows, and the weights that gave it; raises `NotApplicable` without either."""
    if view.predictions is None or view.weights is None:
        raise NotApplicable("the adversary has no answers about these rows, or no weights of what gave them")
    return view.predictions, view.weights


@dataclass(frozen=True, kw_only=True)
class HiddenValues:
    """Each combination of values that hidden columns may have; a row has the same for every one."""

    columns: tuple[Column, ...]
    """The hidden columns, all of them categories."""
    combinations: Int64[Tensor, "combinations columns"]
    """The category of each column."""
    mask: Bool[Tensor, " values"]
    """Where they stand in a row."""

    @classmethod
    def of(cls, view: View) -> "HiddenValues":
        """Raises `NotApplicable` where a hidden column is a number, or there are too many."""
        table = require_table(rows_of(view).space, "a hidden column")
        columns = tuple(column for column, _ in table.within(view.hidden))
        numbers = [column.name for column in columns if not column.is_category]
        if numbers:
            raise NotApplicable(f"column '{numbers[0]}' is a number, and it tries each value that a category has")
        combinations = torch.cartesian_prod(*(torch.arange(column.width) for column in columns)).reshape(
            -1, len(columns)
        )
        if len(combinations) > MOST:
            raise NotApplicable(f"the hidden columns have {len(combinations)} combinations of values, at most {MOST}")
        return cls(columns=columns, combinations=combinations, mask=table.mask(view.hidden))

    @property
    def encoded(self) -> Float[Tensor, "combinations hidden"]:
        """As the table has them."""
        parts = [
            2 * torch.nn.functional.one_hot(own, column.width).float() - 1
            for own, column in zip(self.combinations.unbind(1), self.columns, strict=True)
        ]
        return torch.cat(parts, dim=1)

    def put_into(self, inputs: Float[Tensor, "rows values"]) -> Float[Tensor, "rows combinations values"]:
        """Rows with each combination in the place of what they have there."""
        whole = inputs[:, None].repeat(1, len(self.combinations), 1)
        whole[:, :, self.mask] = self.encoded.to(inputs)
        return whole

    def before(self, known: Float[Tensor, "rows hidden"]) -> Float64[Tensor, "rows combinations"]:
        """How probable each combination is by what is known of each value, in natural logarithms.

        `known` has a probability for each value, 0 as -1 and 1 as 1; columns are independent.
        """
        logs = ((known.double() + 1) / 2).clamp_min(TINY).log()
        total, start = torch.zeros(len(known), len(self.combinations), dtype=torch.float64), 0
        for own, column in zip(self.combinations.unbind(1), self.columns, strict=True):
            total = total + logs[:, start + own]
            start += column.width
        return total

    def guess(
        self, evidence: Float[Tensor, "rows combinations"], known: Float[Tensor, "rows hidden"]
    ) -> Float[Tensor, "rows hidden"]:
        """The hidden values by Bayes' rule: evidence in natural logarithms, and what was known before, as in `before`.

        What comes out is in the form of what was known.
        """
        shares, parts = (evidence + self.before(known)).softmax(1), []
        for own, column in zip(self.combinations.unbind(1), self.columns, strict=True):
            part = torch.zeros(len(shares), column.width, dtype=shares.dtype)
            parts.append(2 * part.index_add(1, own, shares) - 1)
        return torch.cat(parts, dim=1).float()


@dataclass(frozen=True, kw_only=True)
class Completions:
    """What a service says of each row with each combination of hidden values; NaN of what it was not asked or refused.

    One row after the other is asked about, with all combinations, as far as the budget goes for whole rows.
    """

    rows: Batch
    values: HiddenValues
    said: Float64[Tensor, "rows combinations classes"]

    @classmethod
    def of(cls, view: Served) -> "Completions":
        """Asks about all rows; raises `NotApplicable` where a hidden column is a number, or has too many values."""
        rows = rows_of(view)
        if rows.labels.dim() != 1:
            raise NotApplicable("a service answers with one probability for each class, and these rows have several")
        values = HiddenValues.of(view)
        tried = len(values.combinations)
        asked = min(len(rows), view.service.remaining // tried)
        said = torch.full((len(rows), tried, view.task.classes), torch.nan, dtype=torch.float64)
        if asked:
            whole = values.put_into(rows.inputs[:asked])
            said[:asked] = view.service.ask(whole.flatten(0, 1)).double().reshape(asked, tried, -1)
        return cls(rows=rows, values=values, said=said)

    @property
    def confidences(self) -> Float64[Tensor, "rows combinations"]:
        """How sure the model is of the label that a row has, with each combination; NaN where that is not known."""
        flat = self.rows[torch.arange(len(self.rows)).repeat_interleave(self.said.shape[1])]
        return confidence(self.said.flatten(0, 1), flat).reshape(len(self.rows), -1)

    @property
    def right(self) -> Bool[Tensor, "rows combinations"]:
        """Whether the model says the label that a row has; not where it said nothing."""
        labels = self.said.nan_to_num(0.0).argmax(2)
        return (labels == self.rows.labels[:, None]) & self.said.isfinite().all(2)

    @property
    def evidence(self) -> Float64[Tensor, "rows combinations"]:
        """Their logarithms; 0 all over a row of which some is not known: that says nothing."""
        logs = self.confidences.clamp_min(TINY).log()
        return torch.where(logs.isfinite().all(1, keepdim=True), logs, 0.0)


def frequent(view: View) -> Float[Tensor, "rows hidden"]:
    """How frequent each hidden value is in public, the same for all rows; all alike without public data."""
    rows = rows_of(view)
    known = frequencies(public_in(view), require_table(rows.space, "a hidden column"), view.hidden)
    return known.expand(len(rows), -1).clone()


def plausible(view: View) -> Float[Tensor, "rows hidden"]:
    """What an imputer says that learnt from public rows; raises `NotApplicable` where there are none."""
    public = public_in(view)
    if public is None:
        raise NotApplicable("the adversary holds no public examples that an imputer could learn from")
    return imputed(public, rows_of(view), view.hidden)
