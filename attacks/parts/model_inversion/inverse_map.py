"""Inverse map: from a service's answers back to what images they come from, learned on public images."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from ..generators.latent_space import LatentSpace
from ..generators.linear import LinearSpace
from ..optimizers.first_order import adam
from .objective import TINY

RIDGE = 0.1
"""Weight of the squared coefficients, in shares of the examples."""
STEPS = 100
RATE = 0.1


@dataclass(frozen=True)
class InverseMap:
    """A linear map from centered logarithms of answers to features of the images that were shown."""

    level: Float64[Tensor, " features"]
    slopes: Float64[Tensor, "classes features"]

    @classmethod
    def fitted(
        cls, answers: Float64[Tensor, "shown classes"], features: Float[Tensor, "shown features"]
    ) -> "InverseMap":
        """By ridge regression over the images that were answered; without any, no answer says anything."""
        answered = answers.isfinite().all(1)
        odds, known = _centered(answers[answered]), features[answered].double()
        if not len(known):
            return cls(
                features.new_zeros(features.shape[1]).double(), torch.zeros(answers.shape[1], len(features.T)).double()
            )
        level = known.mean(0)
        ridge = RIDGE * len(known) * torch.eye(odds.shape[1]).double()
        return cls(level, torch.linalg.solve(odds.T @ odds + ridge, odds.T @ (known - level)))

    def features(self, wanted: tuple[int, ...], margin: float) -> Float64[Tensor, "wanted features"]:
        """Of an image of each class whose answer is ahead of all others by a margin in nats."""
        odds = torch.zeros(len(wanted), len(self.slopes)).double()
        odds[range(len(wanted)), wanted] = margin
        return self.level + (odds - odds.mean(1, keepdim=True)) @ self.slopes


def matched(
    space: LatentSpace, extractor: LinearSpace, features: Float64[Tensor, "wanted features"], prior: float
) -> Float64[Tensor, "wanted dimensions"]:
    """Points of a space, in standard deviations, whose images have about such features: by gradients of the generator.

    Features count by their own standard deviations, and a Gaussian prior keeps points near the mean.
    """
    trajectory = adam(RATE)(torch.zeros(len(features) * space.dimensions), STEPS)
    _, entries = next(trajectory)
    while True:
        points = entries.view(len(features), space.dimensions).detach().clone().requires_grad_()
        away = (extractor.encode(space.decode(points * space.scale)) - features) / extractor.scale
        loss = away.square().sum() / 2 + prior * points.square().sum() / 2
        (gradient,) = torch.autograd.grad(loss, points)
        try:
            _, entries = trajectory.send((loss.detach(), gradient.flatten()))
        except StopIteration:
            return points.detach().double()


def _centered(answers: Float64[Tensor, "answers classes"]) -> Float64[Tensor, "answers classes"]:
    logarithms = answers.clamp_min(TINY).log()
    return logarithms - logarithms.mean(1, keepdim=True)
