"""Shapley inversion: what hidden columns are, learnt from explanations of public rows and read from those of others."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Float64, Int64
from torch import Generator, Tensor

from fedleak.contracts.attack import Attack, Requirement, attacks
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.served import Served
from fedleak.errors import ConfigError, NotApplicable
from fedleak.goals.goal import public_in
from fedleak.goals.imputer import imputed
from fedleak.learning.batch import Batch
from fedleak.learning.shapley import cost_of
from fedleak.learning.space import require_table

from ..parts.records.completions import HiddenValues, plausible, rows_of

FEWEST = 10
"""Public rows below which explanations are not learnt from."""


@attacks.register("shapley-inversion")
@dataclass(frozen=True, kw_only=True)
class ShapleyInversion(Attack[Served]):
    """Learns from explanations of public rows what columns say, and compares what was issued with each completion.

    It holds the explanations of the rows that it is asked about, which were given to their people. The paper's first
    adversary learns inputs from explanations by a network; here a share of the questions (`learning`) is for those of
    public rows, which are told to an imputer beside known columns and label: it reads what columns do by a plain rule,
    and not what a model knows by heart. The second one looks for inputs that are explained as was issued: with the
    questions that are left rows are explained with each value they may hide, and have that whose explanation is
    nearest. Numbers are learnt alone, and without any explanation it is the imputer.
    """

    paper: ClassVar = "https://arxiv.org/abs/2407.11359"
    cites: ClassVar = "luo2022feature"
    learning: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.learning <= 1:
            raise ConfigError(f"expected learning from 0 to 1, a share of the questions, got {self.learning}")

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"columns"})

    @property
    def requires(self) -> frozenset[Requirement]:
        return frozenset({"explanations"})

    def reconstruct(self, observation: Served, rng: Generator) -> Reconstruction:  # noqa: ARG002
        rows, guess, issued = rows_of(observation), plausible(observation), observation.explanations
        if issued is None:
            raise NotApplicable("no explanations of these rows were issued: say adversary.explanations = true")
        told = _whole(issued).nonzero()[:, 0]
        if not len(told):
            return Reconstruction(columns=guess)
        guess = guess.index_copy(0, told, self._learnt(observation, rows[told], guess[told], issued[told]))
        return Reconstruction(columns=_matched(observation, told, guess, issued))

    def _learnt(
        self,
        view: Served,
        rows: Batch,
        imputer: Float[Tensor, "rows hidden"],
        issued: Float[Tensor, "rows columns classes"],
    ) -> Float[Tensor, "rows hidden"]:
        """By an imputer to which explanations are told; what one without them says where too few public rows are."""
        public = public_in(view)
        some = int(self.learning * view.service.remaining) // cost_of(require_table(rows.space, "an explanation"))
        if public is None or min(len(public), some) < FEWEST:
            return imputer
        learnt = public[torch.arange(min(len(public), some))]
        own = view.service.explain(learnt.inputs)
        given = _whole(own).nonzero()[:, 0]
        if len(given) < FEWEST:
            return imputer
        return imputed(learnt[given], rows, view.hidden, told=(_facts(own[given]), _facts(issued)))


def _matched(
    view: Served, told: Int64[Tensor, " told"], guess: Float[Tensor, "rows hidden"], issued: Tensor
) -> Float[Tensor, "rows hidden"]:
    """The guess, with the value whose explanation is nearest in the place of it, of as many rows as can be asked."""
    rows = rows_of(view)
    table = require_table(rows.space, "an explanation")
    if any(not column.is_category for column, _ in table.within(view.hidden)):
        return guess
    values = HiddenValues.of(view)
    tried = len(values.combinations)
    some = told[: view.service.remaining // (tried * cost_of(table))]
    if not len(some):
        return guess
    found = view.service.explain(values.put_into(rows.inputs[some]).flatten(0, 1))
    apart = (found.reshape(len(some), tried, *found.shape[1:]) - issued[some][:, None]).flatten(2).norm(dim=2)
    least = apart.amin(1, keepdim=True)
    sure = (apart.isfinite().all(1)) & ((apart == least).sum(1) == 1)
    return guess.index_copy(0, some[sure], values.encoded[apart.argmin(1)[sure]])


def _whole(explanations: Float[Tensor, "rows columns classes"]) -> Tensor:
    """Which rows were explained."""
    return explanations.flatten(1).isfinite().all(1)


def _facts(explanations: Float[Tensor, "rows columns classes"]) -> Float64[Tensor, "rows facts"]:
    """Without the last class: a row's probabilities sum to 1, and so do all of its explanations to 0."""
    return explanations[:, :, :-1].flatten(1).double()
