"""Loss threshold on a service: a user who has the label of a record asks how sure the model is of it."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator

from fedleak.contracts.attack import Attack, Requirement, attacks
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.served import Served

from ..parts.applicability import records_of
from ..parts.records.answers import TINY, answers, confidence, filled


@attacks.register("served-loss-threshold")
@dataclass(frozen=True, kw_only=True)
class ServedLossThreshold(Attack[Served]):
    """Asks a service about each candidate once, and takes those for members whose label it is surer of.

    The logarithm of that confidence is the loss. Where an answer hides it, the label has an even share of what is left;
    candidates that the budget does not reach, or that were refused, have the mean score of the others.
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
        own = confidence(answers(observation, records), records)
        return Reconstruction(membership=filled(own.clamp_min(TINY).log()).float())
