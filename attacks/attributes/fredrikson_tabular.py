"""Fredrikson's inversion of tables: the hidden value with which the model is surest of the label that a row has."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.served import Served

from ..parts.records.completions import Completions, frequent


@attacks.register("fredrikson-tabular")
@dataclass(frozen=True, kw_only=True)
class FredriksonTabular(Attack[Served]):
    """Asks about each row with each value it may hide, and weighs how sure the model is of its label by how frequent
    the value is.

    Where the paper takes from a confusion matrix how probable the label is by the label that is answered, this takes
    the answered probability itself, as later work does. Rows that the budget does not reach are guessed by frequency.
    """

    paper: ClassVar = (
        "https://www.usenix.org/conference/usenixsecurity14/technical-sessions/presentation/fredrikson_matthew"
    )
    cites: ClassVar = "fredrikson2014privacy"

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"columns"})

    def reconstruct(self, observation: Served, rng: Generator) -> Reconstruction:  # noqa: ARG002
        tried = Completions.of(observation)
        return Reconstruction(columns=tried.values.guess(tried.evidence, frequent(observation)))
