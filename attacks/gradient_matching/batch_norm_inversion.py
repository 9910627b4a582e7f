"""BatchNorm inversion: gradient matching with the batch statistics that BatchNorm buffers give away."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Generator

from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.errors import NotApplicable
from fedleak.gradients.batch_norm_statistics import Gauge, relatively_apart
from fedleak.settings.base import Amount, Count, Rate

from ..label_inference.auto_labels import AutoLabels
from ..parts.batch_norm_targets import target_statistics
from ..parts.classifier_head.label_rule import LabelRule
from ..parts.engine.base import MatchingAttack
from ..parts.engine.defense_aware import smoothing
from ..parts.engine.distances import cosine
from ..parts.engine.feature_inversion import and_penalty, one_step_and, zero_probes
from ..parts.engine.gradient_match import GradientMatch, pixels
from ..parts.engine.loop import Matching
from ..parts.engine.regularizers import variation
from ..parts.optimizers.first_order import signed_adam


@attacks.register("batch-norm-inversion")
@dataclass(frozen=True, kw_only=True)
class BatchNormInversion(MatchingAttack):
    """Moves dummy images until gradient (cosine) and BatchNorm statistics of every layer are those of the batch.

    The batch's statistics are inferred from the buffers that came back: exact for one local step, for several a mean
    over the steps, later ones weighing more. Where they were withheld, the running statistics of the model that was
    sent stand in. Differences from the papers: every layer and channel counts alike, relative to its variance, and the
    statistics come out of the same forward pass as the gradient.
    """

    paper: ClassVar = "https://arxiv.org/abs/2112.00059"
    cites: ClassVar = "huang2021evaluating"
    steps: Count = 500
    """Iterations of one attempt."""
    learning_rate: Rate = 0.1
    """First rate of signed Adam, in units of a pixel's range."""
    total_variation: Amount = 0.01
    """Weight of the mean absolute difference of neighboring pixels; where defenses added noise, more."""
    statistics: Amount = 1.0
    """Weight of the mean squared difference of BatchNorm statistics, relative to the batch's variances."""
    target: Literal["auto", "inferred", "running"] = "auto"
    """Whose statistics: those "inferred" of the batch, the model's "running" ones; "auto": the first that are known."""
    labels: LabelRule = AutoLabels()
    """The rule that the labels are inferred by."""

    def match(self, observation: Observation, rng: Generator) -> Reconstruction:
        gauge = Gauge.of(observation)
        if not gauge:
            raise NotApplicable(
                f"'{observation.task.name}' has no BatchNorm layer, whose statistics this attack matches; "
                "try inverting-gradients"
            )
        target = target_statistics(observation, gauge, self.target)
        labels = self.labels.infer(observation, rng)
        dtype = self.dtype(torch.float32)
        penalty = relatively_apart([layer.to(self.device, dtype) for layer in target.statistics])
        objective = GradientMatch.of(
            replace(observation, task=gauge.task),
            and_penalty(cosine, penalty, self.statistics),
            pixels(labels.to(self.device)),
            simulate=one_step_and(
                gauge.read, zero_probes([(2, n) for n in gauge.channels.values()], dtype, self.device)
            ),
            terms=((self.total_variation + smoothing(observation), variation(observation.task.space)),),
            dtype=dtype,
            device=self.device,
        )
        engine = Matching(optimizer=signed_adam(self.learning_rate), steps=self.steps, compiled=self.compiled)
        guess = engine.run(objective, self.starts(observation, len(labels), dtype, rng), rng)
        return replace(guess, note=guess.note or target.note)
