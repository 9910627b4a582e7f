"""SAPAG, Self-Adaptive Privacy Attack from Gradients: a Gaussian kernel on each layer's gradient difference."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator

from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.settings.base import Count, Rate

from ..parts.applicability import length_unknown
from ..parts.engine.base import DeepLeakage
from ..parts.engine.distances import gaussian, up_to_length
from ..parts.engine.gradient_match import GradientMatch, pixels_and_labels


@attacks.register("sapag")
@dataclass(frozen=True, kw_only=True)
class SAPAG(DeepLeakage):
    """Moves dummy images and soft labels, together, by a Gaussian kernel on each layer's gradient difference.

    The kernel `1 - exp(-|d|² / σ²)` adapts to each layer: σ is `width` times the length of the layer's observed
    gradient, so layers of short gradients count like those of long ones. Differences from the paper: that choice of σ
    (the variance of the entries, which papers that cite it give, leaves the kernel flat almost everywhere once a layer
    has many; the paper itself was not at hand in full), equal weights of all layers, and those of `dlg` (float64,
    L-BFGS with a line search, a start near mid-gray, length ignored where it is unknown). For smooth activations.
    """

    paper: ClassVar = "https://arxiv.org/abs/2009.06228"
    cites: ClassVar = "wang2020sapag"
    steps: Count = 2000
    """L-BFGS iterations of one attempt; four times those of `dlg`, as layers that count alike are harder to fit."""
    width: Rate = 1.0
    """Width of the kernel, as a multiple of the length of a layer's observed gradient."""

    def match(self, observation: Observation, rng: Generator) -> Reconstruction:
        dtype, distance = self.dtype(torch.float64), gaussian(self.width)
        objective = GradientMatch.of(
            observation,
            up_to_length(distance) if length_unknown(observation) else distance,
            pixels_and_labels(observation.task),
            box=False,
            dtype=dtype,
            device=self.device,
        )
        starts = self.starts(observation, observation.examples(), dtype, rng, soft=True)
        return self.descend(objective, starts, rng)
