"""Objective of model inversion: by how much a class is ahead of every other, and how usual a point is."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float64
from torch import Tensor

from fedleak.contracts.chain import Chain

from .inquiry import Inquiry

TINY = 1e-12
"""What a probability counts as at least."""
Reading = Literal["auto", "exact", "coarse"]
"""How answers are taken: at face value, or as coarse and noisy signs of what is behind them; "auto": by what is public
of the defenses."""


def is_coarse(chain: Chain) -> bool:
    """Whether answers say less than the model's probabilities do."""
    return chain.resolution > 0 or chain.answer_noise > 0


def margins(answers: Float64[Tensor, "answers classes"], wanted: tuple[int, ...]) -> Float64[Tensor, "answers wanted"]:
    """The logarithm of each wanted class's probability less that of the likeliest other, in nats."""
    logarithms = answers.clamp_min(TINY).log()
    others = logarithms[:, None].expand(-1, len(wanted), -1).clone()
    others[:, range(len(wanted)), wanted] = -torch.inf
    return logarithms[:, list(wanted)] - others.amax(2)


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What is minimized of a point: minus the margin of its class, which counts up to a cap, and a Gaussian prior.

    Uncapped, a search walks off to where no image is; the probability alone is flat where it is near 1.
    """

    cap: float
    """Of the margin, in nats."""
    prior: float
    """Weight of half the squared distance from the mean public image, in standard deviations."""

    def of(
        self,
        margins: Float64[Tensor, "points wanted"],
        points: Float64[Tensor, "points dimensions"],
    ) -> Float64[Tensor, "points wanted"]:
        return self.unlikely(points)[:, None] - margins.clamp_max(self.cap)

    def unlikely(self, points: Float64[Tensor, "*points dimensions"]) -> Float64[Tensor, "*points"]:
        """The prior's part."""
        return self.prior / 2 * points.square().sum(-1)


def best_asked(inquiry: Inquiry, wanted: tuple[int, ...], objective: Objective) -> Float64[Tensor, "wanted dimensions"]:
    """For each class the point of lowest objective among those that were answered; the mean where none was."""
    if not len(inquiry.points):
        return torch.zeros(len(wanted), inquiry.space.dimensions).double()
    return inquiry.points[objective.of(margins(inquiry.answers, wanted), inquiry.points).argmin(0)]
