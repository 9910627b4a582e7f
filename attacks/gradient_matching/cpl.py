"""CPL, Client Privacy Leakage: patterned starts, the L2 distance and the task's loss."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.learning.space import Images, require_images
from fedleak.settings.base import Amount, Count

from ..label_inference.auto_labels import AutoLabels
from ..parts.classifier_head.label_rule import LabelRule
from ..parts.engine.base import DeepLeakage, l2
from ..parts.engine.feature_inversion import and_penalty, one_step_and, zero_probes
from ..parts.engine.gradient_match import GradientMatch, pixels


@attacks.register("cpl")
@dataclass(frozen=True, kw_only=True)
class CPL(DeepLeakage):
    """Moves patterned dummy images until gradient (L2) and a low loss on their labels agree with the update.

    Differences from the paper: the label term is the cross-entropy that clients train on instead of the squared error
    of the outputs, and is off by default as in the authors' notebooks; the L2 distance counts relative to the observed
    length; and those of `dlg` but for the start: float64, a line search, length ignored where it is unknown. For smooth
    activations.
    """

    paper: ClassVar = "https://arxiv.org/abs/2004.10397"
    cites: ClassVar = "wei2020framework"
    steps: Count = 300
    """L-BFGS iterations of one attempt."""
    task_loss: Amount = 0.0
    """Weight (alpha) of the loss on the dummy batch; above 0 the minimum is no longer at the truth."""
    labels: LabelRule = AutoLabels()
    """The rule that the labels are inferred by."""

    def match(self, observation: Observation, rng: Generator) -> Reconstruction:
        images = require_images(observation.task.space, "CPL, which starts from a pattern,")
        labels, dtype = self.labels.infer(observation, rng), self.dtype(torch.float64)
        objective = GradientMatch.of(
            observation,
            and_penalty(l2(observation), _sum, self.task_loss),
            pixels(labels.to(self.device)),
            simulate=one_step_and(lambda loss: [loss], zero_probes([()], dtype, self.device)),
            box=False,
            dtype=dtype,
            device=self.device,
        )
        starts = [patterned(len(labels), images, rng) for _ in range(self.restarts)]
        return self.descend(objective, [{"inputs": start.to(self.device, dtype)} for start in starts], rng)


def patterned(examples: int, images: Images, rng: Generator) -> Float[Tensor, "batch channels height width"]:
    """A patch of uniform pixels, half as high and wide as the image, laid two by two: less to find out than noise."""
    depth, height, width = images.shape
    patch = torch.rand(examples, depth, -(-height // 2), -(-width // 2), generator=rng)
    return patch.tile(1, 1, 2, 2)[..., :height, :width].clone()


def _sum(shown: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(shown)).sum()
