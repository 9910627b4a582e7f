"""DLG, Deep Leakage from Gradients: images and labels moved together under the L2 distance."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator

from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction

from ..parts.engine.base import DeepLeakage, l2
from ..parts.engine.gradient_match import GradientMatch, pixels_and_labels


@attacks.register("dlg")
@dataclass(frozen=True, kw_only=True)
class DLG(DeepLeakage):
    """Moves dummy images and soft labels, together, until their gradient is the observed one in the L2 sense.

    Differences from the paper: float64, a strong-Wolfe line search and a magnified loss (float32 with fixed steps
    stalls or diverges from half of all starts), a start near mid-gray instead of N(0, 1), and the L2 distance is taken
    up to length where the update's length is unknown or may have been changed by a defense. Needs a network with smooth
    activations; with ReLU use `inverting-gradients`.
    """

    paper: ClassVar = "https://arxiv.org/abs/1906.08935"
    cites: ClassVar = "zhu2019deep"

    def match(self, observation: Observation, rng: Generator) -> Reconstruction:
        dtype = self.dtype(torch.float64)
        objective = GradientMatch.of(
            observation,
            l2(observation),
            pixels_and_labels(observation.task),
            box=False,
            dtype=dtype,
            device=self.device,
        )
        starts = self.starts(observation, observation.examples(), dtype, rng, soft=True)
        return self.descend(objective, starts, rng)
