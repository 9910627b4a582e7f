"""CSMIA: the hidden value that makes the model say a row's label, and surest, or else least sure of another label."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.served import Served

from ..parts.records.completions import Completions, frequent


@attacks.register("csmia")
@dataclass(frozen=True, kw_only=True)
class CSMIA(Attack[Served]):
    """Asks about each row with each value it may hide, and goes by the label that is answered before its confidence.

    Where one value alone makes the model right it is that, of several the one with which it is surest, and where none
    does the one with which it is least sure of its mistake. It weighs nothing by how frequent a value is; rows that the
    budget does not reach are guessed by frequency.
    """

    paper: ClassVar = "https://arxiv.org/abs/2201.09370"
    cites: ClassVar = "mehnaz2022sensitive"

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"columns"})

    def reconstruct(self, observation: Served, rng: Generator) -> Reconstruction:  # noqa: ARG002
        tried = Completions.of(observation)
        sure = tried.said.amax(2)
        # The three cases are one order: right and sure, right and unsure, wrong and unsure, wrong and sure.
        order = torch.where(tried.right, sure, -sure)
        answered = order.isfinite().all(1, keepdim=True)
        usual = frequent(observation)
        guess = tried.values.guess(order.nan_to_num(0.0), torch.ones_like(usual))
        return Reconstruction(columns=torch.where(answered, guess, usual))
