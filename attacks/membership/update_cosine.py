"""Gradient-cosine membership inference: how well a candidate's own gradient goes with the update."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator

from fedleak.contracts.attack import Attack, Requirement, attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.settings.base import Rate

from ..parts.applicability import candidates_of
from ..parts.records.gradients import Sketch, Whitened, example_gradients


@attacks.register("update-cosine")
@dataclass(frozen=True, kw_only=True)
class UpdateCosine(Attack):
    """Scores each candidate by the cosine of its gradient with the update.

    Gradients of different examples are nearly orthogonal, so the update goes best with those that are in it. What all
    gradients have in common hides that; with public examples it is discounted (`whiten`), which of a batch of 32 photos
    finds 46% with one false alarm in a hundred where the plain cosine of the paper finds 6%. It takes a backward pass
    for each candidate and each public example, in eval mode, where BatchNorm does not do what it did in the batch.
    """

    paper: ClassVar = "https://openreview.net/forum?id=QsCSLPP55Ku"
    cites: ClassVar = "li2023effective"
    whiten: bool = True
    """Whether to discount what public gradients have in common, where there are any."""
    ridge: Rate = 0.01
    """How much is not discounted, as a share of the mean variance of the public gradients."""

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"membership"})

    @property
    def requires(self) -> frozenset[Requirement]:
        return frozenset({"candidates"})

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:
        candidates = candidates_of(observation)
        gradient = observation.gradient()
        sketch = Sketch.of(sum(value.numel() for value in gradient.values()), rng)
        update = sketch(gradient)
        public = torch.zeros(0, len(update))
        if self.whiten and observation.auxiliary is not None and len(observation.auxiliary):
            public = torch.cat(list(example_gradients(observation, observation.auxiliary, sketch)))
        product = Whitened.by(public, self.ridge)
        scores = [product.cosines(group, update) for group in example_gradients(observation, candidates, sketch)]
        return Reconstruction(membership=torch.cat(scores).float())
