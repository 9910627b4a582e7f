"""Loss-trajectory membership inference: how the loss of a candidate moves from message to message."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.contracts.attack import Attack, Requirement, attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.errors import NotApplicable
from fedleak.learning.batch import Batch

from ..parts.applicability import candidates_of
from ..parts.records.losses import drops


@attacks.register("loss-trajectory")
@dataclass(frozen=True, kw_only=True)
class LossTrajectory(Attack):
    """Scores each candidate by how much this client's updates lower its loss, round after round.

    A round's drop, from the weights that were sent to those that came back, is taken relative to the drop that other
    clients' updates give the same candidate: they did not train on it. Rounds are added up in units of their spread;
    a client that takes new examples each round hides behind the earlier ones, so those count as far as their drops go
    with the last (`agreement`). One message alone, without others, is a trajectory of two points.
    """

    paper: ClassVar = "https://arxiv.org/abs/2402.06289"
    cites: ClassVar = "zhu2025fedmia"

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"membership"})

    @property
    def requires(self) -> frozenset[Requirement]:
        return frozenset({"others", "candidates"})

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:  # noqa: ARG002
        candidates = candidates_of(observation)
        last = _beyond_others(observation, observation, candidates)
        if not torch.isfinite(last).all():
            raise NotApplicable("the loss of some candidates is not finite under the weights that came back")
        last = _standardized(last)
        total = last.clone()
        for message in observation.previous_rounds():
            drop = _beyond_others(message, observation, candidates)
            if torch.isfinite(drop).all():
                total += _standardized(drop) * (_standardized(drop) * last).mean().clamp_min(0.0)
        return Reconstruction(membership=total.float())


def _beyond_others(message: Observation, last: Observation, candidates: Batch) -> Float[Tensor, " candidates"]:
    """The drop in one round by this client's update, less the mean of the drops by the others'.

    The others' messages of all rounds came with the last one.
    """
    others = replace(message, others=last.others).other_clients()
    drop = drops(message, candidates)
    return drop if not others else drop - torch.stack([drops(other, candidates) for other in others]).mean(0)


def _standardized(values: Float[Tensor, " candidates"]) -> Float[Tensor, " candidates"]:
    return (values - values.mean()) / values.std(correction=0).clamp_min(1e-300)
