"""Gap on a service: a user who has the label of a record asks whether the model is right about it."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator

from fedleak.contracts.attack import Attack, Requirement, attacks
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.served import Served

from ..parts.applicability import records_of
from ..parts.records.answers import answers, filled


@attacks.register("served-gap")
@dataclass(frozen=True, kw_only=True)
class ServedGap(Attack[Served]):
    """Asks a service about each candidate once, and takes those for members whose label is its likeliest class.

    Labels alone are enough for it. Candidates that the budget does not reach, or that were refused, have the mean score
    of the others.
    """

    paper: ClassVar = "https://arxiv.org/abs/1709.01604"
    cites: ClassVar = "yeom2018privacy"

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"membership"})

    @property
    def requires(self) -> frozenset[Requirement]:
        return frozenset({"candidates"})

    def reconstruct(self, observation: Served, rng: Generator) -> Reconstruction:  # noqa: ARG002
        records = records_of(observation)
        said = answers(observation, records)
        right = (said.nan_to_num().argmax(1) == records.labels).double()
        return Reconstruction(membership=filled(right.masked_fill(said.isnan().any(1), torch.nan)).float())
