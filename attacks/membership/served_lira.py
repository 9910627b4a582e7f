"""LiRA on a service: the likelihood ratio from the confidences that it answers with."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator

from fedleak.contracts.attack import Attack, Requirement, attacks
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.served import Served
from fedleak.contracts.shadows import left_out_of_shadows
from fedleak.settings.base import Count

from ..parts.applicability import records_of
from ..parts.records.answers import TINY, answers, confidence, filled
from ..parts.records.shadow_scores import SUREST, likelihood_ratio


@attacks.register("served-lira")
@dataclass(frozen=True, kw_only=True)
class ServedLiRA(Attack[Served]):
    """Asks a service about each candidate once, and compares its confidence with that of models which had it or not.

    Shadow federations like the observed one are trained on some of the candidates each, so that of every candidate
    there are models that did and did not train on it; the score is the logarithm of the likelihood ratio of the
    target's log-odds `log(p / (1 - p))` under a normal distribution for either. How hard a candidate is in itself,
    which is most of what a loss says, falls out. Offline (`online = False`) the shadows are trained on public
    examples, before anybody is asked about, and the score is how far the target is above them.

    Candidates that the budget does not reach, or that were refused, have the mean score of the others.

    Shadows train as the clients do, as far as that is known, and under those of their defenses that can be stacked; a
    note says which cannot.
    """

    paper: ClassVar = "https://arxiv.org/abs/2112.03570"
    cites: ClassVar = "carlini2022membership"
    shadows: Count = 64
    online: bool = True

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"membership"})

    @property
    def requires(self) -> frozenset[Requirement]:
        return frozenset({"candidates"})

    def reconstruct(self, observation: Served, rng: Generator) -> Reconstruction:  # noqa: ARG002
        records = records_of(observation)
        own = confidence(answers(observation, records), records)
        odds = torch.logit(own, eps=TINY).clamp(-SUREST, SUREST)
        score = likelihood_ratio(observation, records, odds, self.shadows, online=self.online)
        note = left_out_of_shadows(observation.defense)
        return Reconstruction(membership=filled(score).float(), note=note)
