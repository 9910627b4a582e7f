"""Inverting Gradients: the cosine distance between gradients, and total variation."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Int
from torch import Generator, Tensor

from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.settings.base import Amount, Count, Rate

from ..label_inference.auto_labels import AutoLabels
from ..parts.applicability import leaves_signs
from ..parts.classifier_head.label_rule import LabelRule
from ..parts.engine.base import MatchingAttack
from ..parts.engine.defense_aware import labels_hidden, smoothing
from ..parts.engine.distances import cosine
from ..parts.engine.gradient_match import GradientMatch, pixels, pixels_and_labels
from ..parts.engine.loop import Matching
from ..parts.engine.public_model import is_smooth
from ..parts.engine.regularizers import variation
from ..parts.optimizers.first_order import signed_adam
from ..parts.optimizers.lbfgs import lbfgs

NOISE_FLOOR = 1e-8
"""Cosine mismatch below which float32 rounding, not a defense, is what remains."""


@attacks.register("inverting-gradients")
@dataclass(frozen=True, kw_only=True)
class InvertingGradients(MatchingAttack):
    """Moves dummy images until their gradient points where the observed one does (cosine), and keeps them smooth (TV).

    Differences from the paper: some hundred steps instead of 24,000, possible because the rate goes down to zero along
    a cosine and the total variation weighs less; labels are inferred, not given; and on networks with smooth
    activations only, L-BFGS in float64 without total variation, which is both faster and far more exact there.
    """

    paper: ClassVar = "https://arxiv.org/abs/2003.14053"
    cites: ClassVar = "geiping2020inverting"
    steps: Count | None = None
    """Iterations of one attempt; None: 300 of signed Adam, 500 of L-BFGS."""
    learning_rate: Rate = 0.1
    """First rate of signed Adam, in units of a pixel's range; L-BFGS has none."""
    total_variation: Amount | None = None
    """Weight of the mean absolute difference of neighboring pixels; None: for signed Adam 0.01 for one
    image and 0.02 for a batch, more where defenses are known to have added noise; 0 for L-BFGS."""
    optimiser: Literal["auto", "signed-adam", "l-bfgs"] = "auto"
    """"auto": L-BFGS on networks with smooth activations only; else, under noise or where signs came, signed Adam."""
    labels: LabelRule = AutoLabels()
    """The rule that the labels are inferred by."""

    def match(self, observation: Observation, rng: Generator) -> Reconstruction:
        labels = None if labels_hidden(observation) else self.labels.infer(observation, rng)
        suits = is_smooth(observation.task.network) and not leaves_signs(observation)
        smooth = self.optimiser == "l-bfgs" or (self.optimiser == "auto" and suits)
        guess = self._descend(observation, labels, smooth, rng)
        if self.optimiser == "auto" and smooth and _fits_noise(guess, observation):
            guess = self._descend(observation, labels, False, rng)
        return guess

    def _descend(
        self, observation: Observation, labels: Int[Tensor, "guesses *classes"] | None, smooth: bool, rng: Generator
    ) -> Reconstruction:
        dtype = self.dtype(torch.float64 if smooth else torch.float32)
        examples = observation.examples() if labels is None else len(labels)
        usual = 0.0 if smooth else 0.01 if examples == 1 else 0.02
        if not smooth:
            usual += smoothing(observation)
        objective = GradientMatch.of(
            observation,
            cosine,
            pixels_and_labels(observation.task) if labels is None else pixels(labels.to(self.device)),
            terms=(
                (usual if self.total_variation is None else self.total_variation, variation(observation.task.space)),
            ),
            box=not smooth,
            dtype=dtype,
            device=self.device,
        )
        engine = Matching(
            optimizer=lbfgs() if smooth else signed_adam(self.learning_rate),
            steps=self.steps or (500 if smooth else 300),
            patience=100 if smooth else None,
            compiled=self.compiled,
        )
        starts = self.starts(observation, examples, dtype, rng, soft=labels is None)
        return engine.run(objective, starts, rng)


def _fits_noise(guess: Reconstruction, observation: Observation) -> bool:
    """Whether a defense left a mismatch that rounding cannot explain: then an exact match is a match with the noise.

    Not under masks, where nothing but the prior on images would be left.
    """
    return bool(observation.defense) and not observation.masked and guess.mismatch > NOISE_FLOOR
