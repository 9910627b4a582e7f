"""Loss threshold: what the model was trained on it is less wrong about than what it has never seen."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator

from fedleak.contracts.attack import Attack, Requirement, attacks
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.released import Released
from fedleak.errors import NotApplicable

from ..parts.applicability import records_of
from ..parts.records.losses import losses


@attacks.register("loss-threshold")
@dataclass(frozen=True, kw_only=True)
class LossThreshold(Attack[Released]):
    """Takes candidates for members by their loss under the released weights: the lower, the surer.

    The paper's threshold is the mean loss over the training set; a score in the place of a verdict has every threshold.
    It knows nothing of how hard a candidate is in itself, which is most of what a loss says.
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
        each = losses(observation.task, observation.weights, records)
        if not torch.isfinite(each).any():
            raise NotApplicable("the loss of every candidate is infinite under the released weights")
        return Reconstruction(membership=-each.float())
