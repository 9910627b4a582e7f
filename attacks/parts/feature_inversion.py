"""Images whose features are given: the front of a network run backwards, by descent."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.progress import report

from .priors import total_variation

REPORTS = 20
"""Iterations between two reports."""


@dataclass(frozen=True, kw_only=True)
class Inversion:
    """How images are moved until they have the features: Adam with a cosine schedule, pixels kept in [0, 1]."""

    steps: int
    learning_rate: float
    smoothness: float
    """Weight of the total variation."""

    def run(
        self,
        front: Callable[[Tensor], Tensor],
        features: Float[Tensor, "batch features"],
        shape: tuple[int, int, int],
        rng: Generator,
    ) -> tuple[Float[Tensor, "batch channels height width"], Float[Tensor, " batch"]]:
        """The images, from mid-grey with a little noise, and the share of each one's features that is left unexplained.

        Minimises `|front(x) - z|² / |z|²` of every image plus the total variation; source:
        https://arxiv.org/abs/2209.05578.
        """
        images = 0.5 + 0.1 * torch.randn(len(features), *shape, generator=rng)
        images = images.to(features.dtype).clamp(0.0, 1.0).requires_grad_()
        optimiser = torch.optim.Adam([images], lr=self.learning_rate)
        size = features.square().sum(1).clamp_min(1e-300)
        for step in range(self.steps):
            if step % REPORTS == 0:
                report(step, self.steps)
            optimiser.param_groups[0]["lr"] = self.learning_rate * (1 + math.cos(math.pi * step / self.steps)) / 2
            distances = (front(images) - features).square().sum(1) / size
            loss = distances.sum() + self.smoothness * len(images) * total_variation(images)
            optimiser.zero_grad()
            (images.grad,) = torch.autograd.grad(loss, [images])
            optimiser.step()
            with torch.no_grad():
                images.clamp_(0.0, 1.0)
        with torch.no_grad():
            rest = (front(images) - features).square().sum(1) / size
        return images.detach(), rest
