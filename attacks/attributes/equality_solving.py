"""Equality solving: hidden columns of a row by the linear equations that a logistic regression's answer about it is."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Float64
from torch import Generator, Tensor

from fedleak.contracts.attack import Attack, Requirement, attacks
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.served import Served
from fedleak.errors import NotApplicable
from fedleak.learning.space import require_table
from fedleak.learning.table import Table
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights

from ..parts.records.completions import answers_of, frequent, rows_of

TRIED, STRAIGHT = 16, 1e-9
"""Rows on which a network has to be a straight line, and how far it may be off, in shares of its largest score."""


@attacks.register("equality-solving")
@dataclass(frozen=True, kw_only=True)
class EqualitySolving(Attack[Served]):
    """Solves for the hidden values of a row: of c classes the logarithms of what was answered are c - 1 equations.

    The active party of vertical learning has the weights of the joint model, its own columns, and the answer about the
    whole row. Each hidden category adds an equation, as its values sum to the same in all rows. As many independent
    equations as hidden values have one solution; of fewer this is the one that is nearest to the public mean (the paper
    has the one nearest to 0). Of more, as where answers are rounded, it is that of least squares. A probability of 0 or
    one that was held back is no equation; rows without any are guessed by frequency.
    """

    paper: ClassVar = "https://arxiv.org/abs/2010.10152"
    cites: ClassVar = "luo2021feature"

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"columns"})

    @property
    def requires(self) -> frozenset[Requirement]:
        return frozenset({"predictions", "weights"})

    def reconstruct(self, observation: Served, rng: Generator) -> Reconstruction:
        rows, (said, weights) = rows_of(observation), answers_of(observation)
        table = require_table(rows.space, "a hidden column")
        line, mask = Line.of(observation.task, weights, rng), table.mask(observation.hidden)
        known = line.scores(rows.inputs.masked_fill(mask, 0.0).double())
        guess, ranks = frequent(observation).double(), {0}
        shown = said > 0  # NaN is not
        for kept in torch.unique(shown, dim=0):
            asked = (shown == kept).all(1)
            if kept.sum() < 2:
                continue
            sides = centered(said[asked][:, kept].double().log() - known[asked][:, kept])
            system = System.of(centered(line.slopes[mask][:, kept]), table, observation.hidden)
            guess[asked] = system.nearest(sides, guess[asked])
            ranks.add(system.rank)
        most, unknown = max(ranks), int(mask.sum())
        way = "so that they have one solution" if most == unknown else "of which it is the nearest to the public mean"
        note = f"{most} independent equations of {unknown} hidden values, {way}"
        return Reconstruction(columns=guess.clamp(-1, 1), note=note)


@dataclass(frozen=True, kw_only=True)
class Line:
    """Scores that are a straight line of a row."""

    slopes: Float64[Tensor, "values classes"]
    start: Float64[Tensor, " classes"]

    @classmethod
    def of(cls, task: Task, weights: Weights, rng: Generator) -> "Line":
        """What a network computes, in double precision; raises `NotApplicable` where that is no straight line."""
        values, precise = task.shape[-1], weights.floats_in(torch.float64)
        if task.criterion.activation(torch.zeros(1, task.classes)) is not None and not task.criterion.balanced:
            raise NotApplicable("the model's answers are no softmax of its scores, whose logarithms it solves for")
        points = torch.cat([torch.zeros(1, values), torch.eye(values)]).double()
        with torch.no_grad():
            found = task.logits(precise, points, mode="eval")
            line = cls(slopes=found[1:] - found[0], start=found[0])
            rows = 2 * torch.rand(TRIED, values, generator=rng, dtype=torch.float64) - 1
            scores = task.logits(precise, rows, mode="eval")
        if (line.scores(rows) - scores).abs().max() > STRAIGHT * scores.abs().max():
            raise NotApplicable(
                f"the model of '{task.name}' is no logistic regression: it takes one, such as the network linear"
            )
        return line

    def scores(self, rows: Float64[Tensor, "rows values"]) -> Float64[Tensor, "rows classes"]:
        return self.start + rows @ self.slopes


@dataclass(frozen=True, kw_only=True)
class System:
    """Linear equations of hidden values, the same for each row but for their right sides."""

    slopes: Float64[Tensor, "hidden equations"]
    sums: Float64[Tensor, "hidden categories"]
    """Which values are those of one category."""
    totals: Float64[Tensor, " categories"]
    """What they sum to."""

    @classmethod
    def of(cls, slopes: Float64[Tensor, "hidden equations"], table: Table, hidden: tuple[str, ...]) -> "System":
        parts = [(column, part) for column, part in table.within(hidden) if column.is_category]
        sums = torch.zeros(len(slopes), len(parts), dtype=slopes.dtype)
        for place, (_, part) in enumerate(parts):
            sums[part, place] = 1.0
        totals = torch.tensor([2.0 - column.width for column, _ in parts], dtype=slopes.dtype)
        return cls(slopes=slopes, sums=sums, totals=totals)

    @property
    def rank(self) -> int:
        """How many of them are independent."""
        return int(torch.linalg.matrix_rank(self._all))

    def nearest(
        self, sides: Float64[Tensor, "rows equations"], start: Float64[Tensor, "rows hidden"]
    ) -> Float64[Tensor, "rows hidden"]:
        """Of the solutions, or those of least squares, the nearest to a start."""
        wanted = torch.cat([sides, self.totals.expand(len(sides), -1)], dim=1)
        inverse: Tensor = torch.linalg.pinv(self._all)
        return start + (wanted - start @ self._all) @ inverse

    @property
    def _all(self) -> Float64[Tensor, "hidden all"]:
        return torch.cat([self.slopes, self.sums], dim=1)


def centered(logarithms: Float[Tensor, "rows classes"]) -> Float[Tensor, "rows classes"]:
    """Without what all classes have in common, which a softmax does not tell."""
    return logarithms - logarithms.mean(1, keepdim=True)
