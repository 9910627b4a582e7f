"""LOMIA: hidden values by answered labels alone, and a classifier that learns from the rows where these are plain."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Generator

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.served import Served
from fedleak.goals.imputer import imputed

from ..parts.records.completions import Completions, frequent


@attacks.register("lomia")
@dataclass(frozen=True, kw_only=True)
class LOMIA(Attack[Served]):
    """Asks about each row with each value it may hide, and looks at no more than the label that is answered.

    Where one value alone makes the model right, the row has that. These rows are what a classifier learns from that
    guesses all others, by what is known of them and their label: a logistic regression here, and in the paper the best
    of several. Without any such row all are guessed by public frequency.
    """

    paper: ClassVar = "https://arxiv.org/abs/2201.09370"
    cites: ClassVar = "mehnaz2022sensitive"

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"columns"})

    def reconstruct(self, observation: Served, rng: Generator) -> Reconstruction:  # noqa: ARG002
        tried, guess = Completions.of(observation), frequent(observation)
        right = tried.right
        plain = right.sum(1) == 1
        if not plain.any():
            return Reconstruction(columns=guess)
        rows, hidden = tried.rows, observation.hidden
        values = tried.values.guess(torch.where(right, 0.0, -torch.inf)[plain].double(), torch.ones_like(guess)[plain])
        known = rows[plain.nonzero()[:, 0]]
        completed = known.inputs.clone()
        completed[:, tried.values.mask] = values
        guess = imputed(replace(known, inputs=completed), rows, hidden)
        guess[plain] = values
        return Reconstruction(columns=guess)
