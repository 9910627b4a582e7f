"""Property queries: the labels that a poisoned model gives to some rows say what share of examples has a property."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float64, Int
from torch import Generator, Tensor

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.served import Served
from fedleak.errors import NotApplicable
from fedleak.learning.batch import Batch
from fedleak.learning.having import having
from fedleak.settings.base import Count
from fedleak.tamperings.property_poison import PropertyPoison

from ..parts.property.share_shadows import PLACE, ShareShadows, told
from ..parts.records.answers import answers
from ..parts.records.shadow_scores import shadow_scores


@attacks.register("property-queries")
@dataclass(frozen=True, kw_only=True)
class PropertyQueries(Attack[Served]):
    """Asks a poisoned model for the labels of public rows with a property, such as models of its own disagree about.

    Models of its own are trained on each of the shares that are told apart, undefended, with poison as that of
    `property-poison`. By half of them it chooses the rows whose label goes most with the share, which are those that
    poison has brought to the brink; from the other half a logistic regression learns the share by how many of these
    rows have the poison's label. Labels alone are enough for it. Without poison (`rate = 0`) it does the same to a
    clean model. Where nothing was answered, each share is as probable.
    """

    paper: ClassVar = "https://arxiv.org/abs/2101.11073"
    cites: ClassVar = "mahloujifar2022property"
    shadows: Count = 200
    """Models of its own."""
    probes: Count = 100
    """Rows that are asked about, as far as there are so many and so many questions."""

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"properties"})

    @property
    def reads(self) -> frozenset[str]:
        return frozenset({PropertyPoison.name})

    def reconstruct(self, observation: Served, rng: Generator) -> Reconstruction:  # noqa: ARG002
        poison = _poison_of(observation)
        if self.shadows < 2 * len(observation.shares):
            raise NotApplicable(
                f"shadows: expected two or more for each of the {len(observation.shares)} shares that are told apart, "
                f"got {self.shadows} in all; raise shadows"
            )
        shadows = ShareShadows.of(observation, self.shadows, poison)
        wanted = min(self.probes, observation.service.remaining)
        rows = _having(shadows.public, poison)
        chosen_by = torch.arange(self.shadows) // len(observation.shares) % 2 == 0
        says = _labels(observation, shadows, rows) == poison.label
        probes = _telling(says[chosen_by], shadows.answers[chosen_by])[:wanted]
        said = answers(observation, rows[probes])
        heard = ~said.isnan().any(1)
        if not heard.any():
            return Reconstruction(properties=torch.full((len(observation.shares),), 1 / len(observation.shares)))
        known, seen = says[~chosen_by][:, probes[heard]], said[heard].argmax(1) == poison.label
        counted, own = known.double().mean(1, keepdim=True), seen.double().mean(0, keepdim=True)
        center, scale = counted.mean(0), counted.std(0).clamp_min(1e-9)
        answer = told((counted - center) / scale, (own - center) / scale, shadows.answers[~chosen_by])
        return Reconstruction(properties=answer.float())


def _poison_of(view: Served) -> PropertyPoison:
    """What was done, of which the adversary knows all; raises `NotApplicable` where that is about something else."""
    found = [one for one in view.tampering if isinstance(one, PropertyPoison)]
    if not found:
        raise NotApplicable("nobody poisons the model, so its labels are not brought to the brink; do property-poison")
    if view.property and found[0].property != view.property:
        raise NotApplicable(
            f"'{found[0].property}' is poisoned by, and asked about is '{view.property}'; have one property for both"
        )
    return found[0]


def _having(public: Batch, poison: PropertyPoison) -> Batch:
    return public[having(public, poison.property, PLACE).nonzero()[:, 0]]


def _labels(view: Served, shadows: ShareShadows, rows: Batch) -> Int[Tensor, "shadows rows"]:
    """What each model of its own says of each row."""
    return torch.cat([scores.argmax(2) for scores in shadow_scores(view.task, shadows.parameters, rows)])


def _telling(says: Bool[Tensor, "shadows rows"], answers: Int[Tensor, " shadows"]) -> Int[Tensor, " rows"]:
    """Rows in the order of how much more often models of one share give them the label than those of another."""
    shares = range(int(answers.max()) + 1)
    often: Float64[Tensor, "shares rows"] = torch.stack([says[answers == one].double().mean(0) for one in shares])
    return (often.amax(0) - often.amin(0)).argsort(descending=True, stable=True)
