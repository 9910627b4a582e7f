"""Shadow models: classifiers that learn from models of one's own how answers about members differ from others."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float64
from torch import Generator, Tensor

from fedleak.contracts.attack import Attack, Requirement, attacks
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.served import Served
from fedleak.contracts.shadows import left_out_of_shadows
from fedleak.errors import NotApplicable
from fedleak.settings.base import Count

from ..parts.applicability import records_of
from ..parts.records.answers import answers, filled
from ..parts.records.shadow_scores import federations_like, shadow_scores

LEAST = 1e-7
"""A probability is not taken for less: float32 has nothing finer beside 1."""


@attacks.register("shadow-models")
@dataclass(frozen=True, kw_only=True)
class ShadowModels(Attack[Served]):
    """Asks a service about each candidate once, and lets a classifier of its class say whether it was a member.

    Shadow federations like the observed one are trained on some of the public examples each; what they answer about
    examples that they did and did not train on is what a classifier for each class learns from. Here it is a logistic
    regression of the logarithms of all probabilities (the paper's is a small network). Candidates of classes that
    public data has no example of, or that were not answered, have the mean score of the others.
    """

    paper: ClassVar = "https://arxiv.org/abs/1610.05820"
    cites: ClassVar = "shokri2017membership"
    shadows: Count = 20
    """The paper has 10 to 100, by data set."""

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"membership"})

    @property
    def requires(self) -> frozenset[Requirement]:
        return frozenset({"candidates"})

    def reconstruct(self, observation: Served, rng: Generator) -> Reconstruction:  # noqa: ARG002
        records, public = records_of(observation), observation.auxiliary
        if public is None or not len(public):
            raise NotApplicable("the adversary holds no public examples to train shadow models on")
        asked = federations_like(observation, public, self.shadows)
        stacked, trained_on = observation.shadows.trained(asked), asked.trains_on
        said = answers(observation, records).clamp_min(LEAST).log()
        known = torch.cat([part.softmax(2) for part in shadow_scores(observation.task, stacked, public)])
        scores = torch.full((len(records),), torch.nan, dtype=torch.float64)
        for label in sorted(set(public.labels.tolist())):
            own, about = public.labels == label, (records.labels == label) & said.isfinite().all(1)
            if about.any():
                features = known[:, own].clamp_min(LEAST).log()
                scores[about] = _classified(features.flatten(0, 1), trained_on[:, own].flatten(), said[about])
        note = left_out_of_shadows(observation.defense)
        return Reconstruction(membership=filled(scores).float(), note=note)


def _classified(
    known: Float64[Tensor, "known classes"], members: Bool[Tensor, " known"], seen: Float64[Tensor, "seen classes"]
) -> Float64[Tensor, " seen"]:
    """The log-odds of being a member by a classifier of what is known; 0 where that has members or others alone."""
    if members.all() or not members.any():
        return torch.zeros(len(seen), dtype=torch.float64)
    # Imported only here: scikit-learn is slow to import, and every attack's module is read to list them.
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=1000).fit(known.numpy(), members.numpy())
    return torch.from_numpy(model.decision_function(seen.numpy()))
