"""Source inference: whose example a candidate is, by whose model fits it best."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator

from fedleak.contracts.attack import Attack, Requirement, attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.errors import NotApplicable

from ..parts.applicability import candidates_of
from ..parts.records.losses import losses, weights_after


@attacks.register("source-inference")
@dataclass(frozen=True, kw_only=True)
class SourceInference(Attack):
    """Takes each candidate for the client whose returned weights have the smallest loss on it.

    With as many examples at each client the posterior of client k is proportional to `exp(-loss_k)`, so a candidate's
    score is the log-odds of this client against the likeliest other, `min_{j != k} loss_j - loss_k`: above 0 means that
    it is taken for this client's. It needs the messages of other clients of the same round, unmasked.
    """

    paper: ClassVar = "https://arxiv.org/abs/2109.05659"
    cites: ClassVar = "hu2021source"

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"membership"})

    @property
    def requires(self) -> frozenset[Requirement]:
        return frozenset({"others", "candidates"})

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:  # noqa: ARG002
        candidates = candidates_of(observation)
        others = observation.other_clients()
        if observation.masked or not others:
            raise NotApplicable(
                "whose it is can be told by comparing clients of one round; "
                f"{'this update is masked' if observation.masked else 'there is no message of another, unmasked'}"
            )
        by_client = [losses(observation.task, weights_after(message), candidates) for message in (observation, *others)]
        score = torch.stack(by_client[1:]).amin(0) - by_client[0]
        if not torch.isfinite(score).any():
            raise NotApplicable("the loss of every candidate is infinite under the weights that came back")
        return Reconstruction(membership=score.float())
