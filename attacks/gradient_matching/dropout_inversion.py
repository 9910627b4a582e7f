"""Dropout Inversion Attack: the client's dropout masks are optimized together with the images."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Generator

from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.settings.base import Amount, Count, Rate

from ..label_inference.auto_labels import AutoLabels
from ..parts.classifier_head.label_rule import LabelRule
from ..parts.engine.base import MatchingAttack
from ..parts.engine.defense_aware import smoothing
from ..parts.engine.distances import cosine
from ..parts.engine.gradient_match import GradientMatch, pixels
from ..parts.engine.loop import Matching
from ..parts.engine.regularizers import variation
from ..parts.engine.stochastic_layers import stochastic_layers
from ..parts.optimizers.first_order import signed_adam


@attacks.register("dropout-inversion")
@dataclass(frozen=True, kw_only=True)
class DropoutInversion(MatchingAttack):
    """Moves dummy images and the dropout masks of the client, together, until their gradient is the observed one.

    Without the masks a matcher compares gradients of two different networks. A mask is relaxed to [0, 1], starts as a
    draw and is kept near its expected mean. Differences from the paper: hundreds of steps with a cosine schedule
    instead of 20,000 with plateaus, masks move by the sign of their gradient as images do, and labels are inferred.
    Sees dropout in `nn.Dropout` layers only, and says so where a network draws elsewhere.
    """

    paper: ClassVar = "https://arxiv.org/abs/2208.06163"
    cites: ClassVar = "scheliga2023dropout"
    steps: Count = 500
    """Iterations of one attempt."""
    learning_rate: Rate = 0.1
    """First rate of signed Adam, in units of a pixel's range and of a mask's."""
    total_variation: Amount = 0.01
    """Weight of the mean absolute difference of neighboring pixels; where defenses added noise, more."""
    mask_prior: Amount = 1e-4
    """Weight of how far the mean of a layer's masks is from its expectation."""
    labels: LabelRule = AutoLabels()
    """The rule that the labels are inferred by."""

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:
        # A diagnosis draws masks of its own, where this guess goes with those that were found.
        return replace(super().reconstruct(observation, rng), diagnosis=None)

    def match(self, observation: Observation, rng: Generator) -> Reconstruction:
        draws = stochastic_layers(observation)
        labels = self.labels.infer(observation, rng)
        dtype = self.dtype(torch.float32)
        match = GradientMatch.of(
            observation,
            cosine,
            pixels(labels.to(self.device)),
            terms=((self.total_variation + smoothing(observation), variation(observation.task.space)),),
            dtype=dtype,
            device=self.device,
            draws=draws,
            draws_prior=self.mask_prior,
        )
        engine = Matching(optimizer=signed_adam(self.learning_rate), steps=self.steps, compiled=self.compiled)
        return engine.run(match, self.starts(observation, len(labels), dtype, rng), rng)
