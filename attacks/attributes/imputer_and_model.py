"""Imputer and model: what public rows say of a hidden value, and what the model adds to it."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.served import Served

from ..parts.records.completions import Completions, plausible


@attacks.register("imputer-and-model")
@dataclass(frozen=True, kw_only=True)
class ImputerAndModel(Attack[Served]):
    """Adds an imputer's log odds of each value and the model's, by how sure it is of the row's label with it.

    The imputer is the baseline without access, so that whatever this gains the model told. Rows that the budget does
    not reach are guessed by the imputer alone. The imputer is fitted to public rows and never asks the model.
    """

    paper: ClassVar = "https://arxiv.org/abs/2209.01292"
    cites: ClassVar = "jayaraman2022attribute"

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"columns"})

    def reconstruct(self, observation: Served, rng: Generator) -> Reconstruction:  # noqa: ARG002
        before = plausible(observation)
        tried = Completions.of(observation)
        return Reconstruction(columns=tried.values.guess(tried.evidence, before))
