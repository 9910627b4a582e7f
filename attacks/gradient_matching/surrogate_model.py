"""SME, Surrogate Model Extension: gradient matching of several local steps at one model in between."""

from dataclasses import dataclass, replace
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
from ..parts.engine.defense_aware import smoothing
from ..parts.engine.distances import cosine
from ..parts.engine.gradient_match import GradientMatch, pixels
from ..parts.engine.loop import Matching
from ..parts.engine.regularizers import variation
from ..parts.local_training.surrogate import SHARE, SHARE_UNIT, mean_gradient, weight_change
from ..parts.optimizers.first_order import signed_adam


@attacks.register("surrogate-model")
@dataclass(frozen=True, kw_only=True)
class SurrogateModel(MatchingAttack):
    """Moves dummy images until their gradient at a model between the two that were seen points where the update does.

    The mean gradient of many local steps is about the gradient in one place on the way; where that is, is learned with
    the images. Costs what one step costs, and neither learning rate nor number of steps need be known; how the batches
    were dealt plays no part. Good while the way is nearly straight: with large steps that bend it, `fedavg-inversion`
    follows the bends. Differences from the paper: signed Adam, and ten times the total variation, since the match is
    never exact.
    """

    follows_steps: ClassVar[bool] = True
    paper: ClassVar = "https://arxiv.org/abs/2306.00127"
    cites: ClassVar = "zhu2023surrogate"
    steps: Count = 500
    """Iterations of one attempt."""
    learning_rate: Rate = 0.1
    """First rate of signed Adam, in units of a pixel's range; it goes down to zero along a cosine."""
    total_variation: Amount = 0.1
    """Weight of the mean absolute difference of neighboring pixels; where defenses added noise, more."""
    share: Share = 0.5
    """Where on the way the surrogate starts: 0 at the weights that were sent, 1 at those that came back."""
    share_rate: Rate = SHARE_UNIT
    """How fast it moves, in units of the images' rate."""
    labels: LabelRule = AutoLabels()
    """The rule that the labels are inferred by."""

    def match(self, observation: Observation, rng: Generator) -> Reconstruction:
        labels = self.labels.infer(observation, rng)
        dtype = self.dtype(torch.float32)
        objective = GradientMatch.of(
            observation,
            cosine,
            pixels(labels.to(self.device)),
            simulate=mean_gradient(observation),
            terms=((self.total_variation + smoothing(observation), variation(observation.task.space)),),
            units={SHARE: self.share_rate},
            dtype=dtype,
            device=self.device,
        )
        starts = [
            {**start, SHARE: torch.as_tensor(self.share).to(start["inputs"])}
            for start in self.starts(observation, len(labels), dtype, rng)
        ]
        engine = Matching(optimizer=signed_adam(self.learning_rate), steps=self.steps, compiled=self.compiled)
        guess = engine.run(objective, starts, rng)
        return replace(guess, note="; ".join(filter(None, [guess.note, _words(observation)])) or None)


def _words(observation: Observation) -> str | None:
    """What the attack could not do as it should."""
    if observation.training.steps == 1:
        return "one local step needs no surrogate: matched as it is"
    if weight_change(observation) is None:
        return "the update does not say how far the weights went: matched as one step at the weights that were sent"
    return None
