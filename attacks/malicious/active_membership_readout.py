"""Active membership readout: which of the neurons that were planted for records have a gradient of those records."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float64, Int64
from torch import Generator, Tensor

from fedleak.contracts.attack import Attack, Requirement, attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.manipulation import planted
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.errors import NotApplicable
from fedleak.learning.batch import Batch

from ..parts.applicability import records_of, require_gradient
from ..parts.known_defenses import accounted
from ..parts.linear_layers.first_layer import Front, find_inner_layer
from ..parts.linear_layers.pixelwise import copied_pixels

PLANTED = "active-membership"
RARELY = 0.05
"""The greatest share of public examples that a planted neuron fires for."""
SAME = 1e-3
"""How far the cosine of a record that explains a neuron's whole gradient is from 1, at most."""
UNKNOWN = -1
"""In place of a neuron, for a record that none was planted for."""


@attacks.register("active-membership-readout")
@dataclass(frozen=True, kw_only=True)
class ActiveMembershipReadout(Attack):
    """The gradient of the neuron planted for a record: zero, or the record itself times a number.

    A record's score is the cosine, without its sign, between it, a 1 behind it for the bias, and what its neuron's
    weights and bias have of the gradient: 1 where it alone fired, less where others did or noise was added, 0 where the
    neuron was silent. Records that no neuron was planted for have 0 too: of those nothing is known.
    """

    paper: ClassVar = "https://arxiv.org/abs/2302.12685"
    cites: ClassVar = "nguyen2023active"

    @property
    def reads(self) -> frozenset[str]:
        return frozenset({PLANTED})

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"membership"})

    @property
    def requires(self) -> frozenset[Requirement]:
        return frozenset({"candidates"})

    def adapts_to(self, chain: Chain) -> bool:
        return accounted(chain)  # under noise of one size cosines rank as likelihoods do

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:
        targets = [one.options()["targets"] for one in planted(observation.manipulations) if one.name == PLANTED]
        if not targets:
            raise NotApplicable(f"the server planted no {PLANTED}: choose a server that does")
        if observation.masked:
            raise NotApplicable("the update is masked, so its entries are random: a readout needs the sum")
        records = records_of(observation)
        public = observation.auxiliary
        if public is None:
            raise NotApplicable("the server's targets are public examples, and the adversary holds none")
        require_gradient(observation)
        layer = find_inner_layer(observation.task)
        front = Front(observation, layer)
        front.require_one_vector()
        pixels = copied_pixels(front, rng)
        known = _neurons(front, public, max(targets))
        if not len(known):
            raise NotApplicable(
                f"no neuron fires for its target alone: in round {observation.round} the server had planted nothing "
                "yet, or sent others than it did"
            )
        gradient = observation.gradient()
        rows = torch.cat([gradient[layer.weight].double()[:, pixels], gradient[layer.bias].double()[:, None]], 1)
        neurons = _neuron_of(records, public[known], known)
        asked = neurons != UNKNOWN
        inputs = torch.nn.functional.pad(records.inputs.flatten(1).double(), (0, 1), value=1.0)
        own = rows[neurons.clamp(min=0)]
        scores = torch.cosine_similarity(inputs, own, dim=1, eps=torch.finfo(own.dtype).tiny).abs()
        scores = torch.where(asked & own.any(1), scores, 0.0)
        return Reconstruction(
            membership=scores.float(),
            note=f"of {int(asked.sum())} neurons that were planted for records {int((scores > 0).sum())} fired, "
            f"{int((scores > 1 - SAME).sum())} of them for the record alone",
        )


def _neurons(front: Front, public: Batch, targets: int) -> Int64[Tensor, " planted"]:
    """Places of targets, among public examples, whose neuron, the one there, fires for them and hardly any other."""
    weight, bias = (front.weights.parameters[name] for name in (front.layer.weight, front.layer.bias))
    most = min(len(public), len(weight), targets)
    with torch.no_grad():
        fires = front(public.inputs) @ weight[:most].T + bias[:most] > 0
    rarely = fires.double().mean(0) <= max(RARELY, 1 / len(public))
    found: Int64[Tensor, " planted"] = torch.nonzero(fires[:most].diagonal() & rarely).flatten()
    return found


def _neuron_of(records: Batch, planted: Batch, neurons: Int64[Tensor, " planted"]) -> Int64[Tensor, " records"]:
    """The neuron that was planted for each record, or `UNKNOWN`."""
    apart: Float64[Tensor, "records planted"] = torch.cdist(
        records.inputs.flatten(1).double(),
        planted.inputs.flatten(1).double(),
        compute_mode="donot_use_mm_for_euclid_dist",
    )
    nearest = apart.min(1)
    return torch.where(nearest.values == 0, neurons[nearest.indices], UNKNOWN)
