"""GradInversion: several reconstructions matched at once that pull each other together."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Generator

from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.errors import NotApplicable
from fedleak.gradients.batch_norm_statistics import Gauge, apart
from fedleak.learning.space import require_images
from fedleak.settings.base import Amount, Count, Rate, Share

from ..label_inference.auto_labels import AutoLabels
from ..parts.batch_norm_targets import Target, target_statistics
from ..parts.classifier_head.label_rule import LabelRule
from ..parts.engine.base import MatchingAttack, l2
from ..parts.engine.consistency import Group, as_group
from ..parts.engine.distances import times
from ..parts.engine.feature_inversion import and_penalty, one_step_and, zero_probes
from ..parts.engine.gradient_match import GradientMatch, one_step, pixels
from ..parts.engine.loop import Matching
from ..parts.engine.regularizers import on_inputs, toward_gray, variation
from ..parts.optimizers.first_order import adam, langevin


@attacks.register("grad-inversion")
@dataclass(frozen=True, kw_only=True)
class GradInversion(MatchingAttack):
    """Moves several dummy batches until gradients (L2) and BatchNorm statistics match and the batches agree.

    Noise is added to every step, total variation and an L2 prior keep images plausible, and each batch is drawn to the
    mean of all after registration. The guess is the batch of lowest own loss. Differences from the paper: BatchNorm
    targets are inferred from the buffers where they came back, and are the model's own only where not; registration is
    by translation instead of RANSAC-flow; the L2 distance counts relative to the observed length; and hundreds of steps
    instead of 20,000, for which noise is a tenth of the paper's, gradient and agreement weigh more. Where nothing is
    known of BatchNorm statistics, or there are none, that term is left out and the guess says so.
    """

    paper: ClassVar = "https://arxiv.org/abs/2104.07586"
    cites: ClassVar = "yin2021see"
    steps: Count = 500
    """Iterations, at first 50 of them with a rising rate."""
    restarts: Count = 4
    """Batches that are moved at once."""
    learning_rate: Rate = 0.1
    """Highest rate of Adam, in units of a pixel's range."""
    noise: Amount = 0.02
    """Standard deviation of the Langevin noise, as a multiple of the learning rate."""
    gradient: Amount = 0.1
    """Weight of the squared distance between gradients, relative to the observed one."""
    total_variation: Amount = 1e-4
    """Weight of the mean absolute difference of neighboring pixels."""
    image_norm: Amount = 1e-6
    """Weight of the mean squared distance from mid-gray."""
    statistics: Amount = 0.1
    """Weight of the lengths of the differences of BatchNorm statistics, summed over layers."""
    consistency: Amount = 30.0
    """Weight of the mean squared distance from what the batches agree on, as a multiple of their loss."""
    reach: Share = 0.1
    """Share of its height and width that an image may be moved by registration; rounded down to pixels."""
    target: Literal["auto", "inferred", "running"] = "auto"
    """Whose statistics: those "inferred" of the batch, the model's "running" ones; "auto": the first that are known."""
    labels: LabelRule = AutoLabels()
    """The rule that the labels are inferred by; the paper's is `gradinversion-min`."""

    def match(self, observation: Observation, rng: Generator) -> Reconstruction:
        images = require_images(observation.task.space, "GradInversion, which lays images over each other,")
        labels, dtype = self.labels.infer(observation, rng), self.dtype(torch.float32)
        if self.compiled:
            raise NotApplicable("agreement between batches is settled by sorting, which cannot be compiled")
        gauge = Gauge.of(observation)
        target = self._target(observation, gauge)
        shapes = [layer.shape for layer in target.statistics]
        penalty = apart([layer.to(self.device, dtype) for layer in target.statistics])
        near = times(self.gradient, l2(observation))
        match = GradientMatch.of(
            replace(observation, task=gauge.task),
            and_penalty(near, penalty, self.statistics) if shapes else near,
            pixels(labels.to(self.device)),
            simulate=one_step_and(gauge.read, zero_probes(shapes, dtype, self.device)) if shapes else one_step,
            terms=((self.total_variation, variation(images)), (self.image_norm, on_inputs(toward_gray))),
            dtype=dtype,
            device=self.device,
        )
        objective = Group(match, labels, self.consistency, int(self.reach * min(images.height, images.width)))
        optimizer = langevin(adam(self.learning_rate, warm_up=50), self.noise * self.learning_rate, rng)
        start = as_group(self.starts(observation, len(labels), dtype, rng))
        guess = Matching(optimizer=optimizer, steps=self.steps, compiled=self.compiled).run(objective, [start], rng)
        return replace(guess, note=guess.note or target.note)

    def _target(self, observation: Observation, gauge: Gauge) -> Target:
        """The BatchNorm statistics to match; none, with the reason, where none are known."""
        try:
            if not gauge:
                raise NotApplicable("there is no BatchNorm layer")
            return target_statistics(observation, gauge, self.target)
        except NotApplicable as refusal:
            return Target([], f"no BatchNorm statistics were matched: {refusal}")
