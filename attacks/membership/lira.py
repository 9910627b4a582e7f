"""LiRA: a likelihood ratio of how sure models are of a record that did, and did not, train on it."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator

from fedleak.contracts.attack import Attack, Requirement, attacks
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.released import Released
from fedleak.contracts.shadows import left_out_of_shadows
from fedleak.errors import NotApplicable
from fedleak.settings.base import Count

from ..parts.applicability import records_of
from ..parts.records.shadow_scores import likelihood_ratio, log_odds, scores_of
from ..parts.records.shadow_versions import ratios_of_versions


@attacks.register("lira")
@dataclass(frozen=True, kw_only=True)
class LiRA(Attack[Released]):
    """Compares how sure the released model is of a candidate with models that did and did not train on it.

    Shadow federations like the observed one are trained on some of the candidates each, so that of every candidate
    there are models that did and did not train on it; the score is the logarithm of the likelihood ratio of the
    target's log-odds `log(p / (1 - p))` under a normal distribution for either. How hard a candidate is in itself,
    which is most of what a loss says, falls out. Offline (`online = False`) the shadows are trained on public
    examples, before anybody is asked about, and the score is how far the target is above them.

    Shadows train as the clients do, as far as that is known, and under those of their defenses that can be stacked; a
    note says which cannot.
    """

    paper: ClassVar = "https://arxiv.org/abs/2112.03570"
    cites: ClassVar = "carlini2022membership"
    shadows: Count = 64
    online: bool = True
    versions: Count = 1
    """Releases, the last so many, whose ratios are added up: shadows go on from one to the next as the target did."""

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"membership"})

    @property
    def requires(self) -> frozenset[Requirement]:
        return frozenset({"candidates", "earlier"} if self.versions > 1 else {"candidates"})

    def reconstruct(self, observation: Released, rng: Generator) -> Reconstruction:  # noqa: ARG002
        records, note = records_of(observation), left_out_of_shadows(observation.defense)
        odds = log_odds(scores_of(observation.task, observation.weights, records), records)
        if not odds.isfinite().any():
            raise NotApplicable("the released weights give no candidate a finite score")
        if self.versions > 1:
            ratios = list(ratios_of_versions(observation, records, self.versions, self.shadows, online=self.online))
            return Reconstruction(membership=torch.stack(ratios).sum(0).float(), note=note)
        score = likelihood_ratio(observation, records, odds, self.shadows, online=self.online)
        return Reconstruction(membership=score.float(), note=note)
