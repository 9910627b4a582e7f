"""Partial gradient matching with gradient regularization, called FedLeak by its authors."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator

from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.settings.base import Amount, Count, Rate, Share

from ..label_inference.auto_labels import AutoLabels
from ..parts.classifier_head.label_rule import LabelRule
from ..parts.engine.base import MatchingAttack
from ..parts.engine.distances import cosine, on_largest
from ..parts.engine.gradient_match import GradientMatch, pixels
from ..parts.engine.loop import Matching
from ..parts.engine.regularizers import variation
from ..parts.optimizers.first_order import flat_adam


@attacks.register("partial-matching")
@dataclass(frozen=True, kw_only=True)
class PartialMatching(MatchingAttack):
    """Moves dummy images until the larger entries of their gradient match, along ways where the mismatch is flat.

    Differences from the paper's released code: images are moved themselves, not the weights of a generator; one cosine
    over all layers instead of a cosine and an L1 distance for each, which loses ten decibels on small ConvNets; the
    second gradient of a step is taken uphill, as a penalty on its length asks for; and hundreds of steps instead of
    10,000. A step costs two evaluations.
    """

    paper: ClassVar = "https://arxiv.org/abs/2506.08435"
    cites: ClassVar = "fan2025boosting"
    steps: Count = 300
    """Iterations of one attempt, each of two evaluations."""
    learning_rate: Rate = 0.1
    """First rate of signed Adam, in units of a pixel's range."""
    matched: Share = 0.5
    """Share of each tensor's entries that is matched, the largest first; at least one entry."""
    regularisation: Share = 0.3
    """Share of the gradient taken one step uphill in the direction that images are moved."""
    total_variation: Amount | None = None
    """Weight of the mean absolute difference of neighboring pixels; None: 0.01 for one image and 0.02 for a batch."""
    labels: LabelRule = AutoLabels()
    """The rule that the labels are inferred by."""

    def match(self, observation: Observation, rng: Generator) -> Reconstruction:
        labels, dtype = self.labels.infer(observation, rng), self.dtype(torch.float32)
        usual = 0.01 if len(labels) == 1 else 0.02
        smoothness = usual if self.total_variation is None else self.total_variation
        objective = GradientMatch.of(
            observation,
            on_largest(self.matched, cosine),
            pixels(labels.to(self.device)),
            terms=((smoothness, variation(observation.task.space)),),
            dtype=dtype,
            device=self.device,
        )
        optimizer = flat_adam(self.learning_rate, self.regularisation)
        engine = Matching(optimizer=optimizer, steps=self.steps, compiled=self.compiled)
        return engine.run(objective, self.starts(observation, len(labels), dtype, rng), rng)
