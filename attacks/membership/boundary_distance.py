"""Boundary distance: members are farther from where a service's label changes, which labels alone tell."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Generator

from fedleak.contracts.attack import Attack, Requirement, attacks
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.served import Served
from fedleak.errors import NotApplicable
from fedleak.progress import report
from fedleak.settings.base import Count, Rate

from ..parts.applicability import records_of
from ..parts.records.answers import filled
from ..parts.records.nearby import (
    USUAL,
    Kept,
    copies,
    kept_by_models,
    kept_by_service,
    plain_scores,
    telling_noise,
)
from ..parts.records.shadow_scores import Shadows


@attacks.register("boundary-distance")
@dataclass(frozen=True, kw_only=True)
class BoundaryDistance(Attack[Served]):
    """Asks a service about noisy copies of each candidate, and counts how many keep its label.

    The farther the boundary, the more of them do; the likeliest label is all that is read of an answer, so defenses
    that leave it change nothing. Each candidate is asked about as it is, then all of them with the first noise, with
    the second, and so on as far as the budget goes: what it buys is copies, of the first candidates one more at most.

    How far the boundary is hangs on the record more than on whether it was trained on. So the same copies are shown to
    shadow models, trained on some of the candidates each, and the score is the likelihood ratio of the count, as LiRA
    has it of confidences (`shadows = 0`: the share itself, as in the paper, and 0 where the label is wrong). The noise
    is the one of a few at which shadow models differ most between records that they did and did not train on.

    Differences from the paper: of its attacks the one by noise, which needs fewer questions than a search for the
    boundary; a likelihood ratio in the place of one threshold.
    """

    paper: ClassVar = "https://arxiv.org/abs/2007.14321"
    cites: ClassVar = "choquettechoo2021label"
    copies: Count = 20
    """Of a candidate with noise, at most."""
    noise: Rate | None = None
    """Standard deviation in units of the range; None: what shadow models say, without any 0.3."""
    shadows: Annotated[int, Field(ge=0)] = 64
    online: bool = True
    """Whether shadow models are trained on candidates, else on public examples."""

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"membership"})

    @property
    def requires(self) -> frozenset[Requirement]:
        return frozenset({"candidates"})

    def reconstruct(self, observation: Served, rng: Generator) -> Reconstruction:
        records, task = records_of(observation), observation.task
        if records.labels.dim() != 1:
            raise NotApplicable("a boundary is between labels, and these records have several")
        shadows = Shadows.of(observation, records, self.shadows, online=self.online) if self.shadows else None
        noise = self.noise or (USUAL if shadows is None else telling_noise(task, shadows, rng))
        right = torch.zeros(len(records), dtype=torch.bool)
        found = Kept(torch.zeros(len(records)).double(), torch.zeros(len(records)).double())
        own = Kept(torch.zeros(self.shadows, len(records)).double(), found.answered)
        for place, copy in enumerate(copies(records, task, noise, self.copies, rng)):
            report(place, self.copies + 1)
            answered, kept = kept_by_service(observation, copy)
            if not answered.any():
                break
            right = kept if not place else right
            found.kept += kept
            found.answered += answered
            if shadows is not None:
                own.kept += kept_by_models(task, shadows.stacked, copy) & answered
        score = plain_scores(right, found)
        if shadows is not None:
            score = shadows.likelihood_ratio(found.log_odds, own.log_odds)
        return Reconstruction(membership=filled(score).float())
