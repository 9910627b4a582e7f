"""Gap: whatever the model is right about was trained on, and it is off by the gap between both accuracies."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator

from fedleak.contracts.attack import Attack, Requirement, attacks
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.released import Released

from ..parts.applicability import records_of
from ..parts.records.losses import rightness


@attacks.register("gap")
@dataclass(frozen=True, kw_only=True)
class Gap(Attack[Released]):
    """Takes candidates for members whose label the released model decides for, and for strangers the others.

    It finds as much as accuracy in training is above that on unseen examples, half of it for as many members as
    strangers: the least that any attack on a model should reach. With several labels all of them have to be right.
    """

    paper: ClassVar = "https://arxiv.org/abs/1709.01604"
    cites: ClassVar = "yeom2018privacy"

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"membership"})

    @property
    def requires(self) -> frozenset[Requirement]:
        return frozenset({"candidates"})

    def reconstruct(self, observation: Released, rng: Generator) -> Reconstruction:  # noqa: ARG002
        records = records_of(observation)
        return Reconstruction(membership=rightness(observation.task, observation.weights, records).float())
